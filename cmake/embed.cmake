# Makes a file part of a room's library: src/base/embedded.h is how the code reads it.
function(shorthand_embed room name file)
  get_filename_component(path ${file} ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.S)
  file(CONFIGURE OUTPUT ${assembly} @ONLY CONTENT [[
  .section .rodata
  .balign 4096
  .global shorthand_embedded_@name@
  .type shorthand_embedded_@name@, %object
shorthand_embedded_@name@:
  .incbin "@path@"
.Lend:
  .size shorthand_embedded_@name@, .Lend - shorthand_embedded_@name@
  .balign 8
  .global shorthand_embedded_@name@_bytes
  .type shorthand_embedded_@name@_bytes, %object
shorthand_embedded_@name@_bytes:
  .quad .Lend - shorthand_embedded_@name@
  .size shorthand_embedded_@name@_bytes, 8
  .section .note.GNU-stack, "", %progbits
]])
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS ${path})
  target_sources(shorthand_${room} PRIVATE ${assembly})
endfunction()
