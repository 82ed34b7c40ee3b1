// What an earlier `up` was told, so that the next one, and bootadm and media, need not be told
// again. Table central_setting; its SQL is in settings_store.cc only.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "central/config.h"
#include "store/db.h"

namespace planetbox {

std::span<const Migration> central_migrations();

class SettingsStore {
public:
    explicit SettingsStore(Database& db) : db_(db) {}
    Result<std::optional<std::string>> get(std::string_view key);
    // Adds what was stored to `settings`, below what they hold already.
    Status load(Settings& settings);
    // Stores, in one transaction, those explicit settings that are to be stored and differ.
    Status save(const Settings& settings);
    Status set(std::string_view key, std::string_view value);

private:
    Database& db_;
};

}  // namespace planetbox
