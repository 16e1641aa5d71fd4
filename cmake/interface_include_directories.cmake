# Two cures for include directories in the interface of message targets.

# Drop the include directories that do not exist from every imported target in scope.
#
# The message packages on PyPI export the include paths of the machine that built them
# (its Python and numpy), and CMake refuses a target with a path that is not there.
# Where all paths exist, as with the distributions' packages, nothing changes.
function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories "${target}" INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory IN LISTS directories)
      # A generator expression is not a path yet: keep it.
      if(directory MATCHES "\\$<" OR EXISTS "${directory}")
        list(APPEND kept "${directory}")
      endif()
    endforeach()
    set_target_properties("${target}" PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

# Keep the include directories of this machine's Python and numpy out of what `target` exports.
#
# The generator puts them there; they mean nothing elsewhere, and CMake refuses to export them
# when they are inside the source tree, as those of a virtual environment in the checkout are.
function(keep_include_directories_private target)
  get_target_property(directories "${target}" INTERFACE_INCLUDE_DIRECTORIES)
  set(private "")
  foreach(directory IN LISTS directories)
    if(directory AND NOT directory MATCHES "\\$<")
      list(APPEND private "$<BUILD_INTERFACE:${directory}>")
    elseif(directory)
      list(APPEND private "${directory}")
    endif()
  endforeach()
  set_target_properties("${target}" PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${private}")
endfunction()
