# A room is one static library. What it links is what it may include; tools/check_layers holds the sources to the same order.
function(shorthand_room name)
  cmake_parse_arguments(room "" "" "SOURCES;ROOMS;LIBRARIES;TESTS" ${ARGN})
  add_library(shorthand_${name} STATIC ${room_SOURCES})
  target_include_directories(shorthand_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  list(TRANSFORM room_ROOMS PREPEND shorthand_)
  target_link_libraries(shorthand_${name} PUBLIC ${room_ROOMS} ${room_LIBRARIES})
  if(SHORTHAND_TESTS AND room_TESTS)
    shorthand_tests(${name}_test SOURCES ${room_TESTS} ROOMS ${name})
  endif()
endfunction()

# One GoogleTest program; every test in it is a test of its own to ctest.
function(shorthand_tests name)
  cmake_parse_arguments(tests "" "TIMEOUT" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  if(NOT tests_TIMEOUT)
    set(tests_TIMEOUT 300)
  endif()
  if(SHORTHAND_SANITIZE)
    math(EXPR tests_TIMEOUT "6 * ${tests_TIMEOUT}")  # instrumented code, and other work on the same cores
  endif()
  add_executable(${name} ${tests_SOURCES})
  list(TRANSFORM tests_ROOMS PREPEND shorthand_)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${tests_ROOMS} ${tests_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    SHORTHAND_REPO_DIR="${PROJECT_SOURCE_DIR}"
    SHORTHAND_BINARY="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/shorthand")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${tests_TIMEOUT})
endfunction()
