#include "plugins/replica_lag/replica_lag.h"

#include "base/clock.h"
#include "plugins/db/lag/lag.h"
#include "plugins/db/lag/mysql_lag.h"
#include "plugins/db/lag/postgres_lag.h"
#include "plugins/db/mysql/session.h"
#include "plugins/db/postgres/session.h"

namespace udon {
namespace {

// A poke takes a few seconds: a server that does not answer by then is asked again by the next.
constexpr std::chrono::seconds answer_timeout{5};

template <typename Session>
struct Sessions {
  std::unique_ptr<Session> replica;
  std::unique_ptr<Session> primary;  // null: none was named
};

template <typename Session, typename Options>
Result<Sessions<Session>> connect(TaskContext& context, const Connection& replica,
                                  const std::optional<Connection>& primary, Options options) {
  options.connect_timeout = answer_timeout;
  options.program = "udon replica_lag";
  Sessions<Session> sessions;
  TRY_ASSIGN(sessions.replica, Session::connect(replica, options, context.stop_token()));
  if (primary) {
    TRY_ASSIGN(sessions.primary, Session::connect(*primary, options, context.stop_token()));
  }
  return sessions;
}

class ReplicaLagSensor final : public Sensor {
 public:
  explicit ReplicaLagSensor(LastHeard& last_heard) : last_heard_(last_heard) {}

  Result<Poke> poke(TaskContext& context) override {
    const Value& parameters = context.parameters();
    LagQuestion question;
    question.behind_at_most = Duration(parameters.integer("behind_at_most"));
    question.heartbeat_table = parameters.text("heartbeat_table");
    TRY_ASSIGN(const Connection replica, context.connection(parameters.text("connection")));
    std::optional<Connection> primary;
    if (const std::string id = parameters.text("primary_connection"); !id.empty()) {
      TRY_ASSIGN(primary, context.connection(id));
      if (primary->type != replica.type)
        return Error{ErrorKind::invalid,
                     "connection " + id + " is of type " + primary->type + ", the replica's of type " + replica.type};
    }
    TRY_ASSIGN(const Lag lag, measure(context, replica, primary, question));
    return judge(lag, question);
  }

 private:
  Result<Lag> measure(TaskContext& context, const Connection& replica, const std::optional<Connection>& primary,
                      const LagQuestion& question) {
    if (replica.type == "mysql") return measure_mysql(context, replica, primary, question);
    if (replica.type == "postgresql") return measure_postgres(context, replica, primary, question);
    return Error{ErrorKind::invalid, "connection " + replica.id + " is of type " + replica.type +
                                         "; replica_lag knows mysql and postgresql"};
  }

  Result<Lag> measure_mysql(TaskContext& context, const Connection& replica, const std::optional<Connection>& primary,
                            const LagQuestion& question) {
    MysqlOptions options;
    options.answer_timeout = answer_timeout;
    TRY_ASSIGN(const auto sessions, connect<MysqlSession>(context, replica, primary, options));
    return measure_mysql_lag(*sessions.replica, sessions.primary.get(), question, last_heard_,
                             context.clock().monotonic());
  }

  Result<Lag> measure_postgres(TaskContext& context, const Connection& replica,
                               const std::optional<Connection>& primary, const LagQuestion& question) {
    PostgresOptions options;
    options.statement_timeout = answer_timeout;
    TRY_ASSIGN(const auto sessions, connect<PostgresSession>(context, replica, primary, options));
    return measure_postgres_lag(*sessions.replica, sessions.primary.get(), question);
  }

  static Poke judge(const Lag& lag, const LagQuestion& question) {
    Poke poke;
    if (!lag.behind) {
      poke.message = "lag unknown: " + lag.reason;
      return poke;
    }
    poke.is_met = *lag.behind <= question.behind_at_most;
    poke.message = "replica " + format_duration(*lag.behind) + " behind (" + lag.mechanism + "), " +
                   (poke.is_met ? "" : "not ") + "within " + format_duration(question.behind_at_most);
    if (poke.is_met) {
      poke.return_value.set("behind_us", Value(static_cast<int64_t>(lag.behind->count())));
      poke.return_value.set("mechanism", Value(lag.mechanism));
    }
    return poke;
  }

  LastHeard& last_heard_;
};

}  // namespace

std::unique_ptr<Sensor> make_replica_lag_sensor(LastHeard& last_heard) {
  return std::make_unique<ReplicaLagSensor>(last_heard);
}

}  // namespace udon
