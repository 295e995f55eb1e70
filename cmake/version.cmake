# Run at every build: writes OUT from IN, with the commit that is being built.
#   cmake -DIN=version.h.in -DOUT=version.h -DSOURCE=DIR ... -P version.cmake
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=* WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE SHORTHAND_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT SHORTHAND_COMMIT)
  set(SHORTHAND_COMMIT "no commit")
endif()
configure_file(${IN} ${OUT} @ONLY)
