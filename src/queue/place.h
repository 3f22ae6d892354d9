// Place: the folder that holds a folder for each user, as root sees it. Only names and owners are looked at: nothing of
// a user's is opened or read.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

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

// Takes a user's name from whatever of somebody else's has it, and gives it to the user's own folder: in a place that
// can't be listed its owner would not find that again. True if there was anything to do.
bool give_names_back(const std::string& place);

}  // namespace pillarbox::queue
