#include <memory>

#include "plugins/api/operator.h"
#include "plugins/api/plugin.h"
#include "plugins/data/arrow_result.h"
#include "plugins/data/export.h"
#include "plugins/parquet_convert/source.h"
#include "plugins/parquet_convert/target.h"

namespace udon {

extern const char parquet_convert_description[];
extern const char parquet_convert_help[];

namespace {

class ParquetConvert final : public Operator {
 public:
  Result<Outcome> run(TaskContext& context) override {
    const Value& parameters = context.parameters();
    const std::string from = parameters.text("from");
    TRY_ASSIGN(const Path file, local_file(context, from));
    TRY_ASSIGN(const Path staging, context.staging());
    data::RejectLog rejects(staging / "rejects.ndjson", parameters.integer("rejects_max", 1000));
    data::ExportForm form;
    form.may_reject = true;
    if (parameters.text("on_bad_row") == "reject") form.rejects = &rejects;
    TRY_ASSIGN(const auto reader, make_source(context, file, form.rejects));
    TRY_ASSIGN(form.text, target_format(parameters));
    data::TableRequest request;
    request.table = from;
    request.all_columns = true;
    request.policies.nan = parameters.text("nan", "error");
    request.policies.infinity = parameters.text("infinity", "error");
    request.policies.invalid_text = parameters.text("invalid_text", "error");
    return data::export_table(context, *reader, std::move(request), from, form);
  }
};

const PluginOperator operators[] = {plugin_operator<ParquetConvert>(parquet_convert_description, parquet_convert_help)};
const Plugin plugin = {.arrow_version = data::arrow_version, .operators = operators, .operator_count = 1};

}  // namespace
}  // namespace udon

extern "C" __attribute__((visibility("default"))) const udon::Plugin* udon_plugin_v1();
extern "C" const udon::Plugin* udon_plugin_v1() { return &udon::plugin; }
