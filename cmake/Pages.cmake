# What is drawn in a browser. uPlot comes by npm into the cache, once (stack/pages.sh); without it everything else is
# built, and only the pages are left out.
set(AB_UPLOT_DIR ${AB_CACHE_DIR}/uplot-1.6.32)
find_program(AB_NPM npm)
if(NOT EXISTS ${AB_UPLOT_DIR} AND AB_NPM)
	execute_process(COMMAND ${CMAKE_SOURCE_DIR}/stack/pages.sh OUTPUT_QUIET ERROR_VARIABLE AB_PAGES_ERROR
		RESULT_VARIABLE AB_PAGES_FAILED)
endif()
if(EXISTS ${AB_UPLOT_DIR}/uPlot.iife.min.js)
	set(AB_PAGES ON)
elseif(AB_NPM)
	set(AB_PAGES OFF)
	message(STATUS "Pages are left out (report.html): uPlot could not be had. ${AB_PAGES_ERROR}")
else()
	set(AB_PAGES OFF)
	message(STATUS "Pages are left out (report.html): there is no npm. Everything else is built.")
endif()

# ab_embed(TARGET SYMBOL FILE): FILE becomes `const char SYMBOL[]` in TARGET.
function(ab_embed target symbol file)
	set(to ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
	add_custom_command(OUTPUT ${to} DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake
		COMMAND ${CMAKE_COMMAND} -DFROM=${file} -DTO=${to} -DSYMBOL=${symbol} -P ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake)
	target_sources(${target} PRIVATE ${to})
endfunction()
