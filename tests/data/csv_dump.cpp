// csv_dump FILE DELIMITER: each record as a JSON list of [text, was quoted].
#include <cstdio>
#include <string>

#include "base/value.h"
#include "plugins/data/csv_tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto tokenizer = udon::data::CsvTokenizer::open(argv[1], argv[2][0], 1 << 20);
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  while (true) {
    const auto record = tokenizer->next();
    if (!record) {
      std::fprintf(stderr, "%s\n", record.error().message.c_str());
      return 1;
    }
    if (record->empty()) return 0;
    udon::Value list = udon::Value::list();
    for (const auto& field : *record) {
      udon::Value pair = udon::Value::list();
      pair.push_back(std::string(field.text));
      pair.push_back(field.quoted);
      list.push_back(std::move(pair));
    }
    std::puts(udon::to_json(list).c_str());
  }
}
