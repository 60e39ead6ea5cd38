// Whole files: read up to a limit, and written so that nobody ever sees half of one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace palinode {

// All bytes of a file. Throws FormatError naming it if it cannot be read or holds more than `limit`
// bytes.
std::string read_file(const std::string& path, std::size_t limit);

// Puts `bytes` in place of the file at `path`, whole or not at all, whatever happens in between:
// written under the name "<path>.partial", flushed to the disk, renamed, and the folder flushed.
// Writers in one folder take turns. A symbolic link is replaced, not followed. Throws
// EnvironmentError naming `path` if that fails or if something that is no file has that name; the
// partial file is then removed. `mode` is who may read and write it, less what the umask takes.
void write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0644);

// Removes the name and flushes the folder; false if there is none. What the disk held may stay on
// it until it is written over. Throws EnvironmentError naming `path`.
bool remove_file(const std::string& path);

}  // namespace palinode
