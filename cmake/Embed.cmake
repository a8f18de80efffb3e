# Turns a file into a C array: cmake -DFROM=file -DTO=file.c -DSYMBOL=name -P Embed.cmake. A zero byte is put behind it.
file(READ "${FROM}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${TO}" "const char ${SYMBOL}[] = {${bytes}0};\nconst unsigned long ${SYMBOL}_len = sizeof ${SYMBOL} - 1;\n")
