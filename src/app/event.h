// Event: one line of facts, as key=value or as JSON: what "-v", --json and logs are made of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pillarbox::app {

class Event {
 public:
  explicit Event(std::string_view name) : name_(name) {}

  Event& text(std::string_view key, std::string_view value);
  Event& number(std::string_view key, std::int64_t value);
  Event& seconds(std::string_view key, double value, int decimals = 3);
  Event& list(std::string_view key, const std::vector<std::string>& values);

  [[nodiscard]] std::string key_value() const;  // "NAME key=value …"
  [[nodiscard]] std::string json() const;       // {"event":"NAME","key":value,…}

 private:
  struct Item {
    std::string key;
    std::string plain;
    std::string json;
  };
  std::string name_;
  std::vector<Item> items_;
};

}  // namespace pillarbox::app
