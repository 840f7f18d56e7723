# Writes OUTPUT, a C++ file that holds every file below FOLDER as a text, in the order of their names:
#
#   cmake -D OUTPUT=x.cc -D FOLDER=<folder> -D HEADER=app/embedded_files.h -D NAMESPACE=tillrace::app
#         -D FUNCTION=embedded_files -P EmbedFiles.cmake
#
# HEADER declares `std::span<const EmbeddedFile> FUNCTION();`, EmbeddedFile being {name, text}; names
# are relative to FOLDER.
file(GLOB_RECURSE files RELATIVE "${FOLDER}" "${FOLDER}/*")
list(SORT files)
set(code "// Made by cmake/EmbedFiles.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n")
string(APPEND code "std::span<const EmbeddedFile> ${FUNCTION}() {\n")
string(APPEND code "  static constexpr EmbeddedFile kFiles[] = {\n")
foreach(file ${files})
  file(READ "${FOLDER}/${file}" text)
  string(APPEND code "      {\"${file}\", R\"EMBEDDED(${text})EMBEDDED\"},\n")
endforeach()
string(APPEND code "  };\n  return kFiles;\n}\n\n}  // namespace ${NAMESPACE}\n")
file(WRITE "${OUTPUT}" "${code}")
