# Rdkafka::rdkafka: librdkafka as tools/install.sh builds it, a static library.
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/tools/install.sh" --librdkafka
                OUTPUT_VARIABLE RDKAFKA_FOLDER OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${RDKAFKA_FOLDER}/complete")
  message(FATAL_ERROR "There is no librdkafka in ${RDKAFKA_FOLDER}; run tools/install.sh build")
endif()
add_library(Rdkafka::rdkafka STATIC IMPORTED)
set_target_properties(Rdkafka::rdkafka PROPERTIES
  IMPORTED_LOCATION "${RDKAFKA_FOLDER}/lib/librdkafka.a"
  INTERFACE_INCLUDE_DIRECTORIES "${RDKAFKA_FOLDER}/include"
  INTERFACE_LINK_LIBRARIES "OpenSSL::SSL;OpenSSL::Crypto;ZLIB::ZLIB;PkgConfig::LIBZSTD;Threads::Threads;${CMAKE_DL_LIBS};m")
