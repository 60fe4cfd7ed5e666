# Run by udon_embed: INPUT as a C++ string literal in OUTPUT. Every byte is an escape of its own, so that no byte can
# mean anything to the compiler; a literal a line keeps them short enough for people's tools.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" escaped "${hex}")
string(REPEAT "...." 64 line)
string(REGEX REPLACE "(${line})" "\\1\"\n\"" escaped "${escaped}")
get_filename_component(name ${INPUT} NAME)
file(WRITE ${OUTPUT} "// Generated from ${name}.\nnamespace udon {\nextern const char ${SYMBOL}[];\nextern const unsigned long ${SYMBOL}_size;\nconst char ${SYMBOL}[] =\n\"${escaped}\";\nconst unsigned long ${SYMBOL}_size = ${size};\n}  // namespace udon\n")
