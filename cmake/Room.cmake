# room(NAME log DEPENDS base model THIRD_PARTY RocksDB::rocksdb ONE_PROCESS Azurite)
#
# One line makes a room: the library tillrace_<name> from src/<name>/*.cc, its unit tests from *_test.cc (one program,
# <name>_test, ctest label "unit"), its fuzzers from *_fuzz.cc and its link list. DEPENDS is also the list of rooms
# that the room's files may #include: tools/tidy.py reads the same line and checks them. ctest runs each unit test in a
# process of its own, but those whose names hold the word of ONE_PROCESS in one, since they share a server that is slow to
# start.
function(room)
  cmake_parse_arguments(ROOM "" "NAME;ONE_PROCESS" "DEPENDS;THIRD_PARTY" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz|/main)\\.cc$")
  list(TRANSFORM ROOM_DEPENDS PREPEND tillrace_ OUTPUT_VARIABLE libraries)

  if(NOT sources)
    return()
  endif()
  set(library tillrace_${ROOM_NAME})
  add_library(${library} STATIC ${sources})
  target_include_directories(${library} PUBLIC "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(${library} PUBLIC ${libraries} PRIVATE ${ROOM_THIRD_PARTY} Threads::Threads)
  room_precompiled_headers(${library})
  if(tests)
    room_tests(${ROOM_NAME} "${tests}" "${ROOM_THIRD_PARTY}" "${ROOM_ONE_PROCESS}")
  endif()
  foreach(fuzzer ${fuzzers})
    room_fuzzer(${ROOM_NAME} ${fuzzer})
  endforeach()
endfunction()

# The standard library and fmt, parsed once for all rooms.
function(room_precompiled_headers target)
  if(TILLRACE_LINT)
    return()  # clang-tidy then sees each file's own includes
  endif()
  if(NOT TARGET tillrace_pch)
    file(WRITE "${CMAKE_BINARY_DIR}/pch.cc" "")
    add_library(tillrace_pch OBJECT "${CMAKE_BINARY_DIR}/pch.cc")
    target_link_libraries(tillrace_pch PRIVATE fmt::fmt Threads::Threads)
    target_precompile_headers(tillrace_pch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/pch.h")
  endif()
  target_precompile_headers(${target} REUSE_FROM tillrace_pch)
endfunction()

function(room_tests name tests third_party one_process)
  add_executable(${name}_test ${tests})
  target_link_libraries(${name}_test PRIVATE tillrace_${name} ${third_party} GTest::gmock_main rapidcheck Threads::Threads)
  room_precompiled_headers(${name}_test)
  set(separate "*")
  if(one_process)
    set(separate "-*${one_process}*")
    add_test(NAME ${name}.${one_process} COMMAND ${name}_test "--gtest_filter=*${one_process}*")
    set_tests_properties(${name}.${one_process} PROPERTIES LABELS unit TIMEOUT 600
                         SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
  endif()
  gtest_discover_tests(${name}_test TEST_PREFIX "${name}." TEST_FILTER "${separate}" DISCOVERY_MODE PRE_TEST
                       PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# A fuzzer is fed by libFuzzer in the preset "fuzz"; everywhere else its corpus is replayed as an ordinary test.
function(room_fuzzer room file)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE tillrace_${room})
  if(TILLRACE_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc")
  add_test(NAME ${room}.${name}.corpus COMMAND ${name} "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  set_tests_properties(${room}.${name}.corpus PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
