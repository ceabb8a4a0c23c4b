# cmake -DPROGRAM=... -DTEMPLATE=... -DPAGE=... -DVERSION=... -P page.cmake: a man page out of its template, with what the
# program itself says under --help, so that no option is ever missing from the page or stays in it.
execute_process(COMMAND ${PROGRAM} --help OUTPUT_VARIABLE HELP COMMAND_ERROR_IS_FATAL ANY)
get_filename_component(name ${PROGRAM} NAME)
string(REPLACE "${PROGRAM}" "${name}" HELP "${HELP}")
# In troff a backslash, a dash, and a dot or a quote that begins a line mean something else.
string(REPLACE "\\" "\\e" HELP "${HELP}")
string(REPLACE "-" "\\-" HELP "${HELP}")
string(REGEX REPLACE "(^|\n)([.'])" "\\1\\\\&\\2" HELP "${HELP}")
string(STRIP "${HELP}" HELP)
configure_file(${TEMPLATE} ${PAGE} @ONLY)
