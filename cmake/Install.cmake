# What `make install PREFIX=…` lays out. Nothing in it is absolute: the folder can be moved, and programs find their
# parts relative to themselves.
#
#   bin/                               atelier, lms
#   lib/atelier/runtimes/default/      the engine, runtime.json, lib/ with the loader and libraries it is started with,
#                                      licenses/ of those libraries
#   share/atelier/models/              the models that come with the program
set(runtime_place lib/atelier/runtimes/default)

foreach(program atelier lms)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION bin)
  endif()
endforeach()
if(TARGET atelier-engine)
  install(TARGETS atelier-engine RUNTIME DESTINATION ${runtime_place})
endif()
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/atelier/models DESTINATION share/atelier FILES_MATCHING
        PATTERN "*.gguf" PATTERN "*.yaml" PATTERN "*.json" PATTERN "*.md" PATTERN "LICENSE*")
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION share/atelier)

set(manifest ${CMAKE_BINARY_DIR}/runtime.installed.json)
if(ATELIER_RUNTIME_FOLDER)
  set(from ${ATELIER_RUNTIME_FOLDER}/${library_path})
  # Libraries by their run-time names, without what only linking or debugging wants.
  install(DIRECTORY ${from}/ DESTINATION ${runtime_place}/lib FILES_MATCHING PATTERN "*.so.[0-9]*"
          PATTERN cmake EXCLUDE PATTERN pkgconfig EXCLUDE PATTERN gconv EXCLUDE PATTERN ggml EXCLUDE
          PATTERN "libc_malloc_debug*" EXCLUDE PATTERN "libllama-common*" EXCLUDE)
  get_filename_component(loader_name ${loader} NAME)
  install(PROGRAMS ${ATELIER_RUNTIME_FOLDER}/${loader} DESTINATION ${runtime_place}/lib)
  install(DIRECTORY ${ATELIER_RUNTIME_FOLDER}/${backends_dir}/ DESTINATION ${runtime_place}/lib/backends
          FILES_MATCHING PATTERN "*.so")
  install(DIRECTORY ${ATELIER_RUNTIME_FOLDER}/root/usr/share/doc/ DESTINATION ${runtime_place}/licenses
          FILES_MATCHING PATTERN copyright)
  file(CONFIGURE OUTPUT ${manifest} @ONLY CONTENT [[{
  "name": "default",
  "exe": "atelier-engine",
  "loader": "lib/@loader_name@",
  "library_path": "lib",
  "backends_dir": "lib/backends",
  "version": "@ATELIER_LLAMA_VERSION@"
}
]])
else()
  file(CONFIGURE OUTPUT ${manifest} @ONLY CONTENT [[{
  "name": "default",
  "exe": "atelier-engine",
  "version": "@ATELIER_LLAMA_VERSION@"
}
]])
endif()
install(FILES ${manifest} DESTINATION ${runtime_place} RENAME runtime.json)
