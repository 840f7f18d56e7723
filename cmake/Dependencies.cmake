# Every third-party library of the project. tools/install.sh installs what is found here.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(date REQUIRED)
find_package(simdjson REQUIRED)
find_package(pugixml REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBZSTD REQUIRED IMPORTED_TARGET libzstd)
find_package(RocksDB REQUIRED)
include(Rdkafka)
find_package(PostgreSQL REQUIRED)
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)
find_package(benchmark REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)

# DuckDB is in no distribution; tools/install.sh keeps it, pinned, in a folder of its own.
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/tools/install.sh" --duckdb
                OUTPUT_VARIABLE DUCKDB_FOLDER OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${DUCKDB_FOLDER}/complete")
  message(FATAL_ERROR "DuckDB is not in ${DUCKDB_FOLDER}; run tools/install.sh build")
endif()
add_library(DuckDB::duckdb SHARED IMPORTED)
set_target_properties(DuckDB::duckdb PROPERTIES
  IMPORTED_LOCATION "${DUCKDB_FOLDER}/lib/libduckdb.so" IMPORTED_SONAME libduckdb.so
  INTERFACE_INCLUDE_DIRECTORIES "${DUCKDB_FOLDER}/include")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/duckdb.sha256")
