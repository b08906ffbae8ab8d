# layer(<name> [DEPENDS layers…] [LIBRARIES targets…])
#
# One folder under src/, one static library strata_<name>. Beside the code, by suffix:
#   foo_test.cc   joins the layer's GoogleTest binary <name>_test
#   foo_bench.cc  joins the layer's Google Benchmark binary <name>_bench
#   foo_fuzz.cc   is one libFuzzer target (preset fuzz); in other builds it replays its corpus,
#                 fuzz/corpus/foo/*, as an ordinary test
#   *_main.cc     belongs to no library: an executable names it

set(STRATA_TEST_TIMEOUT 300)

function(layer name)
  cmake_parse_arguments(LAYER "" "" "DEPENDS;LIBRARIES" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${dir}/*_test.cc)
  file(GLOB_RECURSE benches CONFIGURE_DEPENDS ${dir}/*_bench.cc)
  file(GLOB_RECURSE fuzzers CONFIGURE_DEPENDS ${dir}/*_fuzz.cc)
  file(GLOB_RECURSE mains CONFIGURE_DEPENDS ${dir}/*_main.cc)
  if(tests OR benches OR fuzzers OR mains)
    list(REMOVE_ITEM sources ${tests} ${benches} ${fuzzers} ${mains})
  endif()

  list(TRANSFORM LAYER_DEPENDS PREPEND strata_ OUTPUT_VARIABLE links)
  if(sources)
    add_library(strata_${name} STATIC ${sources})
    target_include_directories(strata_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(strata_${name} PUBLIC ${links} ${LAYER_LIBRARIES} Threads::Threads)
  else()
    add_library(strata_${name} INTERFACE)
    target_include_directories(strata_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(strata_${name} INTERFACE ${links} ${LAYER_LIBRARIES} Threads::Threads)
  endif()

  if(tests AND NOT STRATA_FUZZ)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE strata_${name} GTest::gtest GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${STRATA_TEST_TIMEOUT})
  endif()
  if(benches AND NOT STRATA_FUZZ)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE strata_${name} benchmark::benchmark benchmark::benchmark_main)
  endif()
  foreach(source ${fuzzers})
    get_filename_component(target ${source} NAME_WE)
    string(REPLACE "_fuzz" "" stem ${target})
    if(STRATA_FUZZ)
      add_executable(${target} ${source})
      target_link_libraries(${target} PRIVATE strata_${name})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
      add_executable(${target}_replay ${source} ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
      target_link_libraries(${target}_replay PRIVATE strata_${name})
      add_test(NAME ${target}_corpus COMMAND ${target}_replay ${CMAKE_SOURCE_DIR}/fuzz/corpus/${stem})
      set_tests_properties(${target}_corpus PROPERTIES TIMEOUT ${STRATA_TEST_TIMEOUT})
    endif()
  endforeach()
endfunction()
