# How targets are declared, once. Each room has a CMakeLists.txt that lists its files; these functions add what all
# share: warnings as errors, the include root, the check that each header compiles alone.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(udon_options INTERFACE)
target_include_directories(udon_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(udon_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wnull-dereference -Werror -fvisibility-inlines-hidden
  # Naming some members and leaving the rest to their defaults is what designated initialisers are for.
  -Wno-missing-field-initializers)
# g++ 12 sees null dereferences and uninitialised variants that are not there once it inlines std::variant.
target_compile_options(udon_options INTERFACE $<$<NOT:$<CONFIG:Debug>>:-Wno-null-dereference -Wno-maybe-uninitialized
  -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread -Wno-free-nonheap-object>)
target_link_options(udon_options INTERFACE -Wl,--as-needed)
find_program(MOLD mold)
if(MOLD)
  target_link_options(udon_options INTERFACE -fuse-ld=mold)
endif()

# udon_library(NAME [HEADERS h...] [SOURCES cpp...] [LINKS target...] [PRIVATE_LINKS target...])
# A static library of one room. LINKS: what its headers need; PRIVATE_LINKS: what only its sources need.
function(udon_library name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC udon_options ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
    target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${ARG_HEADERS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE udon_options ${ARG_LINKS})
    target_sources(${name} INTERFACE FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${ARG_HEADERS})
  endif()
  set_target_properties(${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

# udon_plugin(NAME SOURCES cpp... LINKS target...): a shared object opened by udon-task and the prober. Only
# udon_plugin_v1 is visible.
function(udon_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} MODULE ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE udon_options ${ARG_LINKS})
  target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins BUILD_RPATH "$ORIGIN/..")
endfunction()

# udon_test(NAME SOURCES cpp... LINKS target... [LABELS label...] [SERIAL] [TIMEOUT seconds])
# One Catch2 program = one ctest test. Labels: "services" needs real servers (scripts/services).
function(udon_test name)
  cmake_parse_arguments(ARG "SERIAL" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE udon_options udon_catch_main ${ARG_LINKS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests BUILD_RPATH "$ORIGIN/..")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "UDON_BUILD=${CMAKE_BINARY_DIR};UDON_SOURCE=${CMAKE_SOURCE_DIR}")
  if(ARG_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

# udon_python_test(NAME SCRIPT [ARGS arg...] [LABELS label...] [NEEDS service...] [TIMEOUT seconds]): a script of this folder, with what
# scripts/requirements.txt brings. NEEDS: fixtures of tests/CMakeLists.txt.
function(udon_python_test name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "ARGS;LABELS;NEEDS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/.deps/venv/bin/python ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARG_ARGS}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" FIXTURES_REQUIRED "${ARG_NEEDS}"
    ENVIRONMENT "UDON_BUILD=${CMAKE_BINARY_DIR};UDON_SOURCE=${CMAKE_SOURCE_DIR}")
endfunction()
