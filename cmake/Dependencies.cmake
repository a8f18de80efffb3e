# The libraries the engine stands on. Everything is found by pkg-config; what is missing is named with what to do.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# librdkafka >= 2.8: older ones stall for a second whenever their queue fills, lose messages around rebalances, and do
# not notice a truncated log. Where the system's is older, stack/librdkafka.sh builds one into the cache.
set(AB_CACHE_DIR "$ENV{HOME}/.cache/anabranch" CACHE PATH "Where stack/ keeps what it downloads and builds")
set(ENV{PKG_CONFIG_PATH} "${AB_CACHE_DIR}/librdkafka-2.8.0-patched/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")
pkg_check_modules(RDKAFKA IMPORTED_TARGET GLOBAL rdkafka>=2.8)
if(NOT RDKAFKA_FOUND)
	message(FATAL_ERROR "librdkafka >= 2.8 was not found. Run stack/librdkafka.sh once: it builds 2.8.0 into ${AB_CACHE_DIR}.")
endif()

foreach(module hiredis libcurl liburing libpq openssl libmicrohttpd jansson simdjson libisal zlib liblz4 libzstd snappy)
	string(TOUPPER ${module} name)
	pkg_check_modules(${name} IMPORTED_TARGET GLOBAL ${module})
	if(NOT ${name}_FOUND)
		message(FATAL_ERROR "${module} was not found. ./run.sh build installs what is missing, or prints the apt-get line.")
	endif()
endforeach()
