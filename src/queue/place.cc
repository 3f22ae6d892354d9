#include "queue/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>

#include "queue/netstring.h"

namespace pillarbox::queue {

Result<std::vector<Resident>> residents(const std::string& place, std::vector<std::string>& warnings) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(place.c_str()), ::closedir);
  if (!stream && errno == ENOENT) return std::vector<Resident>();
  if (!stream) {
    return Error{Error::Kind::cannot_create, place + ": can't be read: " + std::generic_category().message(errno)};
  }
  std::map<uid_t, Resident> found;
  while (const dirent* const entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    const auto named = plain_number(name.substr(0, name.find('-')));
    struct stat status {};
    const bool folder =
        ::fstatat(::dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
    if (!named || !folder) continue;
    if (*named != status.st_uid) {
      warnings.push_back(place + '/' + std::string(name) + ": belongs to uid " + std::to_string(status.st_uid));
    }
    Resident& resident = found[status.st_uid];
    resident.uid = status.st_uid;
    resident.gid = status.st_gid;
    resident.folders.emplace_back(name);
  }
  std::vector<Resident> all;
  for (auto& [uid, resident] : found) {
    std::sort(resident.folders.begin(), resident.folders.end());
    all.push_back(std::move(resident));
  }
  return all;
}

}  // namespace pillarbox::queue
