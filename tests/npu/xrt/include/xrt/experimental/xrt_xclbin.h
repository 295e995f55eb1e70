// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "xrt/stand_in.h"
