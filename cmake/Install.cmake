# What `cmake --install` brings besides the binary, below any prefix, and the target `uninstall`, which takes all of it
# away again. CONTRIBUTING.md lists the options.
option(PILLARBOX_SENDMAIL "Install the names sendmail, mailq and newaliases, with their manuals" ON)
set(PILLARBOX_SYSTEM_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's units for the system go")
set(PILLARBOX_USER_UNIT_DIR ${CMAKE_INSTALL_DATADIR}/systemd/user CACHE STRING "Where systemd's units for users go")
set(PILLARBOX_TMPFILES_DIR lib/tmpfiles.d CACHE STRING "Where the file for systemd-tmpfiles goes")
set(PILLARBOX_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "Where the completions of zsh go")

# Comes first: remembers, for `uninstall`, which folders are there only because of us.
set(made_file ${CMAKE_BINARY_DIR}/install_folders.txt)
configure_file(${CMAKE_CURRENT_LIST_DIR}/Uninstall.cmake.in ${CMAKE_BINARY_DIR}/Uninstall.cmake @ONLY)
add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -P ${CMAKE_BINARY_DIR}/Uninstall.cmake VERBATIM)

# Prefix and DESTDIR may be relative: to where the installation is called.
install(CODE "
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_PREFIX NORMALIZE)
  set(destdir \"\$ENV{DESTDIR}\")
  if(NOT destdir STREQUAL \"\")
    cmake_path(ABSOLUTE_PATH destdir NORMALIZE)
    set(ENV{DESTDIR} \"\${destdir}\")
  endif()")

# install_to(FOLDER what install() takes): below the prefix unless FOLDER is absolute.
function(install_to folder)
  install(CODE "
    set(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${folder}\")
    if(IS_ABSOLUTE \"${folder}\")
      set(folder \"\$ENV{DESTDIR}${folder}\")
    endif()
    while(NOT EXISTS \"\${folder}\")
      file(APPEND \"${made_file}\" \"\${folder}\\n\")
      cmake_path(GET folder PARENT_PATH folder)
    endwhile()")
  install(${ARGN} DESTINATION ${folder})
endfunction()

# A link, which says where the other file is from its own place: as good in a prefix or a DESTDIR that is given later.
function(install_link folder name target_folder target)
  cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE from)
  cmake_path(ABSOLUTE_PATH target_folder BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE to)
  cmake_path(RELATIVE_PATH to BASE_DIRECTORY ${from})
  cmake_path(APPEND to ${target})
  cmake_path(NORMAL_PATH to)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/links/${folder})
  file(CREATE_LINK ${to} ${CMAKE_BINARY_DIR}/links/${folder}/${name} SYMBOLIC)
  install_to(${folder} FILES ${CMAKE_BINARY_DIR}/links/${folder}/${name})
endfunction()

# One file is installed; the other names are links to it.
set(bin ${CMAKE_INSTALL_BINDIR})
set(man ${CMAKE_INSTALL_MANDIR})
install_to(${bin} TARGETS pillarbox RUNTIME)
install_link(${bin} smtp ${bin} pillarbox)

install_to(${man}/man1 FILES man/pillarbox.1 man/smtp.1)
install_to(${man}/man5 FILES man/pillarbox.conf.5 man/pillarbox-queue.5)
install_to(${man}/man8 FILES man/sendmail.8 RENAME pillarbox-sendmail.8)  # there may be another sendmail's

set(completions pillarbox smtp)
if(PILLARBOX_SENDMAIL)
  list(APPEND completions sendmail)
  install_link(${CMAKE_INSTALL_SBINDIR} sendmail ${bin} pillarbox)
  install_link(lib sendmail ${CMAKE_INSTALL_SBINDIR} sendmail)  # where the FHS has it
  install_link(${bin} mailq ${bin} pillarbox)
  install_link(${bin} newaliases ${bin} pillarbox)
  install_link(${man}/man8 sendmail.8 ${man}/man8 pillarbox-sendmail.8)
  install_to(${man}/man1 FILES man/mailq.1 man/newaliases.1)
endif()

foreach(name ${completions})
  set(made ${CMAKE_BINARY_DIR}/completions)
  install_to(${CMAKE_INSTALL_DATADIR}/bash-completion/completions FILES ${made}/bash/${name})
  install_to(${PILLARBOX_ZSH_DIR} FILES ${made}/zsh/_${name})
  install_to(${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d FILES ${made}/fish/${name}.fish)
endforeach()

# The units name the binary by its path, which is known when the prefix is.
foreach(scope system user)
  set(sources ${PROJECT_SOURCE_DIR}/packaging/systemd/${scope})
  configure_file(${sources}/pillarbox-queue.service.in ${CMAKE_BINARY_DIR}/systemd/${scope}/pillarbox-queue.service @ONLY)
  set(service ${CMAKE_BINARY_DIR}/systemd/installed/${scope}/pillarbox-queue.service)
  install(CODE "
    set(CMAKE_INSTALL_FULL_BINDIR \"${bin}\")
    cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_FULL_BINDIR BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
    configure_file(\"${sources}/pillarbox-queue.service.in\" \"${service}\" @ONLY)")
  string(TOUPPER ${scope} upper)
  file(GLOB units CONFIGURE_DEPENDS ${sources}/*.timer ${sources}/*.path)
  install_to(${PILLARBOX_${upper}_UNIT_DIR} FILES ${service} ${units})
endforeach()
install_to(${PILLARBOX_TMPFILES_DIR} FILES packaging/tmpfiles.d/pillarbox.conf)

set(documents README.md MIGRATION.md SECURITY.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md)  # each links to others
install_to(${CMAKE_INSTALL_DOCDIR} FILES ${documents} LICENSE)
install_to(${CMAKE_INSTALL_DOCDIR}/examples FILES config/pillarbox.conf)
install_to(${CMAKE_INSTALL_DOCDIR}/examples PROGRAMS packaging/capture-server)
