# SPDX-License-Identifier: Apache-2.0
# Run at each build: writes HEADER with the commit of the tree in SOURCE, and only if it has changed, so that one
# file is compiled and the program linked for a new commit.
set(commit unknown)
if(EXISTS ${SOURCE}/.git)  # a copy of the tree inside another repository is none of its commits
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=* OUTPUT_VARIABLE found
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(found)
    set(commit ${found})
  endif()
endif()
set(text "// SPDX-License-Identifier: Apache-2.0\n#define PMUSIM_COMMIT \"${commit}\"\n")
if(EXISTS ${HEADER})
  file(READ ${HEADER} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${HEADER} "${text}")
endif()
