#include "store/rules.h"
#include "store/sqlite/parts.h"
#include "store/sqlite/rows.h"

namespace udon::sqlite {

namespace {

// Seals what others must not read. What a sealed text belongs to is part of it: a row's secret pasted into another row
// does not open there.
class Sealer {
 public:
  explicit Sealer(std::shared_ptr<const Cipher> cipher) : cipher_(std::move(cipher)) {}

  Result<std::string> seal(std::string_view plain, const std::string& owner) const {
    if (!cipher_) return no_key(owner);
    return cipher_->encrypt(plain, owner);
  }
  Result<std::string> open(std::string_view sealed, const std::string& owner) const {
    if (!cipher_) return no_key(owner);
    return cipher_->decrypt(sealed, owner);
  }

 private:
  static Error no_key(const std::string& owner) {
    return {ErrorKind::denied, "the secret of " + owner + " needs the secret key, and none was given"};
  }
  std::shared_ptr<const Cipher> cipher_;
};

constexpr const char* connection_columns = "id, type, host, port, login, schema, description, extra, secrets";

class Settings final : public StoreSettings {
 public:
  Settings(ReaderPool& readers, WriteConnection& connection, std::shared_ptr<const Cipher> cipher)
      : readers_(readers), writer_(connection), sealer_(std::move(cipher)) {}

  Result<std::optional<Connection>> connection(const std::string& id) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT " + std::string(connection_columns) + " FROM connection WHERE id = ?");
    TRY_ASSIGN(const bool has_row, query.bind(id).next());
    if (!has_row) return std::optional<Connection>();
    TRY_ASSIGN(Connection row, read_connection(query));
    return std::optional(std::move(row));
  }

  Result<Page<Connection>> connections(const PageRequest& request) override {
    return page_of<Connection>(request, connection_columns, "connection", "id",
                               [this](const Query& row) { return read_connection(row); });
  }

  Result<std::vector<std::string>> connection_ids() override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT id FROM connection ORDER BY id");
    return read_all<std::string>(query, [](const Query& row) -> Result<std::string> { return row.text(0); });
  }

  Result<void> put_connection(const Connection& row, Existing existing) override {
    Connection shown = row;
    Value secrets = Value::map();
    if (!row.password.empty()) secrets.set("password", row.password);
    Value secret_extra = Value::map();
    if (row.extra.is_map()) {
      for (const auto& [key, value] : row.extra.as_map()) {
        if (!is_secret_key(key)) continue;
        secret_extra.set(key, value);
        // The place stays, so that the order of the options does too.
        shown.extra.set(key, nullptr);
      }
    }
    if (secret_extra.size() > 0) secrets.set("extra", secret_extra);
    std::string sealed;
    if (secrets.size() > 0) {
      TRY_ASSIGN(sealed, sealer_.seal(to_json(secrets), "connection " + row.id));
    }
    return put("connection", row.id, connection_columns, 9, existing, [&](Query& query) {
      query.bind(row.id, row.type, row.host, row.port, row.login, row.schema, row.description, to_json(shown.extra),
                 sealed);
    });
  }

  Result<void> delete_connection(const std::string& id) override { return remove("connection", "id", id); }

  Result<std::optional<VariableRecord>> variable(const std::string& key) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT key, value, description FROM variable WHERE key = ?");
    TRY_ASSIGN(const bool has_row, query.bind(key).next());
    if (!has_row) return std::optional<VariableRecord>();
    TRY_ASSIGN(VariableRecord row, read_variable(query));
    return std::optional(std::move(row));
  }

  Result<Page<VariableRecord>> variables(const PageRequest& request) override {
    return page_of<VariableRecord>(request, "key, value, description", "variable", "key",
                                   [this](const Query& row) { return read_variable(row); });
  }

  Result<void> put_variable(const VariableRecord& row, Existing existing) override {
    TRY_ASSIGN(const std::string sealed, sealer_.seal(row.value, "variable " + row.key));
    return put("variable", row.key, "key, value, description", 3, existing,
               [&](Query& query) { query.bind(row.key, sealed, row.description); });
  }

  Result<void> delete_variable(const std::string& key) override { return remove("variable", "key", key); }

  Result<std::vector<Pool>> pools() override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT name, slots, description, include_deferred FROM pool ORDER BY name");
    return read_all<Pool>(query, [](const Query& row) -> Result<Pool> {
      return Pool{.name = row.text(0),
                  .slots = static_cast<int>(row.integer(1)),
                  .description = row.text(2),
                  .include_deferred = row.integer(3) != 0};
    });
  }

  Result<void> put_pool(const Pool& row, Existing existing) override {
    return put("pool", row.name, "name, slots, description, include_deferred", 4, existing,
               [&](Query& query) { query.bind(row.name, row.slots, row.description, row.include_deferred); });
  }

  Result<void> delete_pool(const std::string& name) override {
    TRY(check_pool_deletion(name));
    return remove("pool", "name", name);
  }

  Result<std::optional<UserRecord>> user(const std::string& name) override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT name, password_hash, role FROM user WHERE name = ?");
    return read_one(query.bind(name), read_user);
  }

  Result<std::vector<UserRecord>> users() override {
    TRY_ASSIGN(const auto db, readers_.borrow());
    Query query = db->query("SELECT name, password_hash, role FROM user ORDER BY name");
    return read_all(query, read_user);
  }

  Result<void> put_user(const UserRecord& row, Existing existing) override {
    return put("user", row.name, "name, password_hash, role", 3, existing,
               [&](Query& query) { query.bind(row.name, row.password_hash, row.role); });
  }

  Result<void> delete_user(const std::string& name) override { return remove("user", "name", name); }

  Result<std::string> setting_or_set(const std::string& key, const std::string& value) override {
    const std::string owner = "setting " + key;
    {
      // The usual case, at each start but the first, needs no write.
      TRY_ASSIGN(const auto db, readers_.borrow());
      Query query = db->query("SELECT value FROM setting WHERE key = ?");
      TRY_ASSIGN(const bool is_set, query.bind(key).next());
      if (is_set) return sealer_.open(query.text(0), owner);
    }
    TRY_ASSIGN(const std::string sealed, sealer_.seal(value, owner));
    TRY_ASSIGN(const std::string kept, writer_.write<std::string>([&](Database& db) -> Result<std::string> {
      TRY(db.query("INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING")
              .bind(key, sealed)
              .run());
      Query query = db.query("SELECT value FROM setting WHERE key = ?");
      TRY_ASSIGN(const bool is_set, query.bind(key).next());
      return is_set ? query.text(0) : sealed;
    }));
    return sealer_.open(kept, owner);
  }

 private:
  template <class T, class Read>
  Result<Page<T>> page_of(const PageRequest& request, const std::string& columns, const std::string& table,
                          const std::string& order, Read read) {
    TRY(check_page(request));
    TRY_ASSIGN(const auto db, readers_.borrow());
    TRY_ASSIGN(const auto snapshot, Transaction::begin(*db, Transaction::Kind::read));
    Page<T> page;
    TRY_ASSIGN(page.total, db->integer("SELECT count(*) FROM " + table));
    Query query = db->query("SELECT " + columns + " FROM " + table + " ORDER BY " + order + " LIMIT ? OFFSET ?");
    query.bind(request.limit, request.offset);
    for (;;) {
      TRY_ASSIGN(const bool has_row, query.next());
      if (!has_row) return page;
      TRY_ASSIGN(T row, read(query));
      page.rows.push_back(std::move(row));
    }
  }

  template <class Bind>
  Result<void> put(const std::string& table, const std::string& name, const std::string& columns, int count,
                   Existing existing, Bind bind) {
    std::string sql = existing == Existing::replace ? "INSERT OR REPLACE INTO " : "INSERT INTO ";
    sql += table + " (" + columns + ") VALUES (?";
    for (int i = 1; i < count; ++i) sql += ", ?";
    sql += ")";
    const Result<void> done = writer_.write<void>([&](Database& db) {
      Query query = db.query(sql);
      bind(query);
      return query.run();
    });
    if (!done && done.error().kind == ErrorKind::conflict) return already_there(table, name);
    return done;
  }

  Result<void> remove(const std::string& table, const std::string& column, const std::string& name) {
    TRY_ASSIGN(const int64_t deleted, writer_.write<int64_t>([&](Database& db) {
      return db.query("DELETE FROM " + table + " WHERE " + column + " = ?").bind(name).run_and_count();
    }));
    if (deleted == 0) return not_there(table, name);
    return {};
  }

  Result<Connection> read_connection(const Query& row) const {
    Connection connection;
    connection.id = row.text(0);
    connection.type = row.text(1);
    connection.host = row.text(2);
    connection.port = static_cast<int>(row.integer(3));
    connection.login = row.text(4);
    connection.schema = row.text(5);
    connection.description = row.text(6);
    TRY_ASSIGN(connection.extra, read_json(row, 7));
    const std::string sealed = row.text(8);
    if (sealed.empty()) return connection;
    TRY_ASSIGN(const std::string opened, sealer_.open(sealed, "connection " + connection.id));
    TRY_ASSIGN(const Value secrets, parse_json(opened));
    connection.password = secrets.text("password");
    if (const Value* extra = secrets.find("extra")) {
      for (const auto& [key, value] : extra->as_map()) connection.extra.set(key, value);
    }
    return connection;
  }

  Result<VariableRecord> read_variable(const Query& row) const {
    VariableRecord variable;
    variable.key = row.text(0);
    TRY_ASSIGN(variable.value, sealer_.open(row.text(1), "variable " + variable.key));
    variable.description = row.text(2);
    return variable;
  }

  static Result<UserRecord> read_user(const Query& row) {
    return UserRecord{.name = row.text(0), .password_hash = row.text(1), .role = row.text(2)};
  }

  ReaderPool& readers_;
  WriteConnection& writer_;
  Sealer sealer_;
};

}  // namespace

std::unique_ptr<StoreSettings> make_settings(ReaderPool& readers, WriteConnection& connection,
                                             std::shared_ptr<const Cipher> cipher) {
  return std::make_unique<Settings>(readers, connection, std::move(cipher));
}

}  // namespace udon::sqlite
