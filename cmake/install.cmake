# What `cmake --install` puts onto a machine, into an image and into the Debian package. The component says which image a
# file is for; "system" is for machines only.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # cpack takes what is built, and builds nothing
set(packaging ${CMAKE_SOURCE_DIR}/packaging)
set(made ${CMAKE_BINARY_DIR}/packaging)

install(TARGETS kvstore_server RUNTIME COMPONENT server)
install(TARGETS kvstore_client RUNTIME COMPONENT client)
install(TARGETS kvstore_tool kvstore_bench RUNTIME COMPONENT tools)

# Every component carries the licences: an image has one or several of them.
add_custom_command(OUTPUT ${made}/THIRD_PARTY_NOTICES
  COMMAND ${CMAKE_COMMAND} -DPACKAGES=${CMAKE_SOURCE_DIR}/cmake/packages.txt -DDESTINATION=${made}/THIRD_PARTY_NOTICES
          -P ${packaging}/notices.cmake
  DEPENDS ${CMAKE_SOURCE_DIR}/cmake/packages.txt ${packaging}/notices.cmake)
set(pages)
foreach(page kvstore_server.8 kvstore_client.1 kvstore_tool.1 kvstore_bench.1)
  string(REGEX REPLACE "\\.[18]$" "" program ${page})
  add_custom_command(OUTPUT ${made}/${page}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${program}> -DTEMPLATE=${packaging}/man/${page}.in
            -DPAGE=${made}/${page} -DVERSION=${PROJECT_VERSION} -P ${packaging}/man/page.cmake
    DEPENDS ${program} ${packaging}/man/${page}.in ${packaging}/man/page.cmake)
  list(APPEND pages ${made}/${page})
endforeach()
add_custom_target(kv_packaging ALL DEPENDS ${made}/THIRD_PARTY_NOTICES ${pages})

foreach(component server client tools)
  install(FILES LICENSE ${made}/THIRD_PARTY_NOTICES DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/kvstore COMPONENT ${component})
endforeach()
install(FILES ${made}/kvstore_server.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT system)
install(FILES ${made}/kvstore_client.1 ${made}/kvstore_tool.1 ${made}/kvstore_bench.1
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT system)
# The pages lie as in the tree, so that what they point at is there.
install(FILES README.md CHANGELOG.md CONTRIBUTING.md ${packaging}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/kvstore COMPONENT system)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/kvstore COMPONENT system)
install(DIRECTORY protos DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/kvstore COMPONENT system FILES_MATCHING PATTERN *.proto)
# Where the programs lie is known when they are installed: --prefix and cpack have a word in it.
install(CODE "
  get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
  get_filename_component(bindir \"${CMAKE_INSTALL_BINDIR}\" ABSOLUTE BASE_DIR \"\${prefix}\")
  configure_file(\"${packaging}/kvstore_server.service.in\" \"${made}/kvstore_server.service\" @ONLY)
  file(INSTALL \"${made}/kvstore_server.service\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")
" COMPONENT system)
install(FILES ${packaging}/kvstore.sysusers DESTINATION lib/sysusers.d RENAME kvstore.conf COMPONENT system)

# `cpack` in the build folder: one Debian package with all of it. What it depends on comes from the programs themselves.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kvstore)
set(CPACK_PACKAGE_CONTACT "The kvstore developers <kvstore@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "key-value server with a gRPC API, its client and its tools")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS systemd)  # systemd-sysusers
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/debian/postinst ${packaging}/debian/prerm ${packaging}/debian/postrm)
include(CPack)
