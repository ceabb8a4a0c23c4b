# kv_room(NAME FOLDER LINK...): the static library of one folder.
#
# Includes start at the root of the tree ("store/store.h"), yet a room must see only the rooms it links. So each
# room is given an include directory of its own, in the build tree, that holds one link to its folder. An arrow that
# docs/ARCHITECTURE.md does not draw then fails to compile: the header is not found.
function(kv_room name folder)
  set(root ${CMAKE_BINARY_DIR}/rooms/${name})
  get_filename_component(parent ${root}/${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  if(folder MATCHES "/")
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${root}/${folder} SYMBOLIC)
  else()
    # Only the headers that lie in the folder itself: a folder below it is a room of its own.
    file(MAKE_DIRECTORY ${root}/${folder})
    file(GLOB headers RELATIVE ${CMAKE_SOURCE_DIR}/${folder} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
    foreach(header ${headers})
      file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder}/${header} ${root}/${folder}/${header} SYMBOLIC)
    endforeach()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "main\\.cc$")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${root})
    target_link_libraries(${name} PUBLIC ${ARGN} PRIVATE kv_compile_options)
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${root})
    target_link_libraries(${name} INTERFACE ${ARGN})
  endif()
endfunction()

# kv_test(NAME FOLDER LINK...): one Catch2 program of tests/FOLDER. ctest runs it once for each FILE_test.cc in there, as
# FOLDER/FILE, so that the files of a long suite run side by side. The test's own code is not optimized: that halves what
# it takes to compile, and what it tests is optimized all the same.
function(kv_test name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/*.cc)
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/tests/${folder} ${CMAKE_BINARY_DIR}/rooms/tests/tests/${folder} SYMBOLIC)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARGN} kv_test_support kv_compile_options)
  set_target_properties(${name} PROPERTIES KV_NOT_OPTIMIZED ON)
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
  foreach(source IN LISTS sources)
    if(source MATCHES "/([^/]+)_test\\.cc$")
      set(file ${CMAKE_MATCH_1})
      add_test(NAME ${folder}/${file} COMMAND ${name} --filenames-as-tags "[#${file}_test]~[.]" --order lex --warn NoTests)
      set_tests_properties(${folder}/${file} PROPERTIES TIMEOUT 600)
    endif()
  endforeach()
endfunction()
