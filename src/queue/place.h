// Place: the folder that holds a folder for each user, as root sees it. Only names and owners are looked at: nothing of
// a user's is opened or read.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "queue/entry.h"

namespace pillarbox::queue {

// A user, and the folders that are that user's: "<uid>", or "<uid>-<random>" where somebody else has taken the name.
// What counts is the owner.
struct Resident {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<std::string> folders = {};
};

// By their uids. warnings has a line on each of the first ten folders whose name is another user's; what is no folder,
// or has another name, is none of ours. An empty list if there is no such place.
Result<std::vector<Resident>> residents(const std::string& place, std::vector<std::string>& warnings);

// What is wanted of a user's directory says what may be changed for it.
enum class Access {
  look,         // nothing
  work,         // it is made private if it was not
  make,         // it and the place are made if they are missing, the place for this user alone
  make_shared,  // the same, the place for everybody
};

// Whether a place is the host's, where nobody but root takes a folder of another's away: root's, with the sticky bit.
bool is_shared(const std::string& place);

// Takes a user's name from whatever of somebody else's has it, and gives it to the user's own folder: in a place that
// can't be listed its owner would not find that again. True if there was anything to do.
bool give_names_back(const std::string& place);

// A file with this and a word is made in a place to wake root's path unit, and removed at once.
constexpr std::string_view bell = "new.";
// Removes those whose maker was killed in between, an hour ago at least.
void sweep_bells(const std::string& place, Time now);

}  // namespace pillarbox::queue
