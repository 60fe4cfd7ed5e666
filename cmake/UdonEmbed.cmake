# udon_embed(TARGET SYMBOL FILE [SYMBOL FILE]...)
# Compiles files into TARGET as `extern const char SYMBOL[]` and `extern const unsigned long SYMBOL_size` (without the
# closing NUL) in namespace udon. Declare them where they are used. A changed file is embedded anew by the next build.
set(UDON_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/UdonEmbedFile.cmake)

function(udon_embed target)
  set(rest ${ARGN})
  while(rest)
    list(POP_FRONT rest symbol file)
    get_filename_component(file ${file} ABSOLUTE)
    set(generated ${CMAKE_CURRENT_BINARY_DIR}/embedded/${target}_${symbol}.cpp)
    add_custom_command(OUTPUT ${generated}
      COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} -DINPUT=${file} -DOUTPUT=${generated} -P ${UDON_EMBED_SCRIPT}
      DEPENDS ${file} ${UDON_EMBED_SCRIPT} VERBATIM)
    target_sources(${target} PRIVATE ${generated})
  endwhile()
endfunction()
