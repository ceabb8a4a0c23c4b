# How everything is compiled: warnings are errors, release is hardened, sanitizers come from the preset.
set(KV_SANITIZE "" CACHE STRING "Sanitizers to build with: empty, 'address,undefined' or 'thread'")
option(KV_FUZZ "Build the fuzz programs with libFuzzer, and no other test; needs clang" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(kv_compile_options INTERFACE)
if(NOT KV_FUZZ)
  target_compile_options(kv_compile_options INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror)
endif()
if(KV_SANITIZE)
  target_compile_options(kv_compile_options INTERFACE -fsanitize=${KV_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(kv_compile_options INTERFACE -fsanitize=${KV_SANITIZE})
  if(NOT KV_FUZZ)
    # GCC 12 warns about code it made itself under the sanitizers.
    target_compile_options(kv_compile_options INTERFACE -Wno-maybe-uninitialized)
  endif()
  if(KV_SANITIZE STREQUAL "thread")
    # ThreadSanitizer does not know fences. Asio's stand beside a mutex that it does know.
    target_compile_definitions(kv_compile_options INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
else()
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-fcf-protection KV_HAS_CF_PROTECTION)  # of x86 alone
  add_library(kv_hardening INTERFACE)
  target_compile_options(kv_hardening INTERFACE $<$<CONFIG:RelWithDebInfo>:-fstack-protector-strong
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:KV_NOT_OPTIMIZED>>>:-D_FORTIFY_SOURCE=2> -D_GLIBCXX_ASSERTIONS $<$<BOOL:${KV_HAS_CF_PROTECTION}>:-fcf-protection>>)
  target_link_options(kv_hardening INTERFACE $<$<CONFIG:RelWithDebInfo>:-Wl,-z,relro,-z,now>)
  target_link_libraries(kv_compile_options INTERFACE kv_hardening)
  # All libraries of ours end in programs, where nobody puts a function in the place of another: the compiler may take
  # them for what they are. And addresses that are all bound at the start need no table of jumps.
  target_compile_options(kv_compile_options INTERFACE $<$<CONFIG:RelWithDebInfo>:-fno-semantic-interposition -fno-plt>)
  # Each function of a room in a section of its own: server/hot_functions.ld lays those beside each other that every call runs.
  target_compile_options(kv_compile_options INTERFACE
    $<$<AND:$<CONFIG:RelWithDebInfo>,$<STREQUAL:$<TARGET_PROPERTY:TYPE>,STATIC_LIBRARY>>:-ffunction-sections>)
  # A few hundred bytes of zeros, as an operation that is about to be read, take one instruction that is slow to begin; 16
  # bytes at a time they take half as many as 8 do.
  set(short_zeros -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign)
  check_cxx_compiler_flag(${short_zeros} KV_HAS_MEMSET_STRATEGY)
  if(KV_HAS_MEMSET_STRATEGY)
    target_compile_options(kv_compile_options INTERFACE $<$<CONFIG:RelWithDebInfo>:${short_zeros}>)
  endif()
endif()
if(KV_FUZZ)
  # The compiler marks where a program goes; the programs have a main of their own, so the driver comes without one.
  # -fsanitize=function lays a type beside each function, which clang 14 cannot do for the parts of a coroutine.
  target_compile_options(kv_compile_options INTERFACE -fsanitize=fuzzer-no-link -fno-sanitize=function)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-resource-dir OUTPUT_VARIABLE resources
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(KV_FUZZ_DRIVER ${resources}/lib/linux/libclang_rt.fuzzer_no_main-x86_64.a)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
