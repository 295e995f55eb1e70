#include <aie_api/aie.hpp>
