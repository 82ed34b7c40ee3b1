#include "central/settings_store.h"

#include <array>

namespace planetbox {

namespace {

constexpr const char* kFirstTables = R"sql(
CREATE TABLE central_setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array<Migration, 1> kMigrations = {{{20, kFirstTables}}};

}  // namespace

std::span<const Migration> central_migrations() { return kMigrations; }

Result<std::optional<std::string>> SettingsStore::get(std::string_view key) {
    Statement s = TRY(db_.prepare("SELECT value FROM central_setting WHERE key = ?"));
    TRY(s.bind(1, key));
    if (!TRY(s.step())) return std::nullopt;
    return s.text(0);
}

Status SettingsStore::load(Settings& settings) {
    for (const SettingKey& key : setting_keys()) {
        if (!key.stored) continue;
        if (std::optional<std::string> value = TRY(get(key.name)))
            TRY(settings.add(key.name, *value, "the state", false));
    }
    return {};
}

Status SettingsStore::set(std::string_view key, std::string_view value) {
    Statement s =
        TRY(db_.prepare("INSERT INTO central_setting (key, value) VALUES (?, ?) "
                        "ON CONFLICT (key) DO UPDATE SET value = excluded.value"));
    TRY(s.bind_all(key, value));
    return s.run();
}

Status SettingsStore::save(const Settings& settings) {
    std::optional<Transaction> transaction;
    for (const SettingKey& key : setting_keys()) {
        const Setting* setting = settings.find(key.name);
        if (!key.stored || !setting || !setting->explicit_now) continue;
        if (TRY(get(key.name)) == setting->value) continue;
        if (!transaction) transaction.emplace(TRY(Transaction::begin(db_)));
        TRY(set(key.name, setting->value));
    }
    return transaction ? transaction->commit() : Status{};
}

}  // namespace planetbox
