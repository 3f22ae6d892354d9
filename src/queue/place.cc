#include "queue/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/system.h"
#include "queue/netstring.h"

namespace pillarbox::queue {
namespace {

constexpr std::size_t most_warnings = 10;
constexpr std::chrono::hours leftover_age{1};

std::vector<std::string> names_in(DIR* stream) {
  std::vector<std::string> names;
  while (const dirent* const entry = ::readdir(stream)) names.emplace_back(entry->d_name);
  return names;
}

}  // namespace

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
    if (*named != status.st_uid && warnings.size() < most_warnings) {  // anybody may make as many as they like
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

bool is_shared(const std::string& place) {
  struct stat status {};
  return ::stat(place.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == 0 &&
         (status.st_mode & S_ISVTX) != 0;
}

bool give_names_back(const std::string& place) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(place.c_str()), ::closedir);
  if (!stream) return false;
  const int at = ::dirfd(stream.get());
  const std::vector<std::string> names = names_in(stream.get());
  const auto owner = [&](const std::string& name) -> std::optional<uid_t> {
    struct stat status {};
    if (::fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    return status.st_uid;
  };
  bool changed = false;
  for (const std::string& name : names) {
    const auto named = plain_number(name);
    const auto uid = owner(name);
    if (!named || !uid || *named == *uid) continue;
    const std::string other = std::to_string(*uid) + '-' + base::random_word();
    changed |= ::renameat2(at, name.c_str(), at, other.c_str(), RENAME_NOREPLACE) == 0;
  }
  for (const std::string& name : names) {
    const std::size_t dash = name.find('-');
    const auto named = dash == std::string::npos ? std::nullopt : plain_number(name.substr(0, dash));
    const auto uid = owner(name);
    if (!named || !uid || *named != *uid) continue;
    changed |= ::renameat2(at, name.c_str(), at, std::to_string(*uid).c_str(), RENAME_NOREPLACE) == 0;
  }
  return changed;
}

void sweep_bells(const std::string& place, Time now) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(place.c_str()), ::closedir);
  if (!stream) return;
  const auto limit = std::chrono::system_clock::to_time_t(now - leftover_age);
  for (const std::string& name : names_in(stream.get())) {
    struct stat status {};
    if (!name.starts_with(bell)) continue;
    const int at = ::dirfd(stream.get());
    if (::fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) continue;
    if (status.st_size == 0 && status.st_mtime < limit) ::unlinkat(at, name.c_str(), 0);
  }
}

}  // namespace pillarbox::queue
