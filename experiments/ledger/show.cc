// `palinode ledger show` and `verify`.
#include <fmt/format.h>

#include <limits>

#include "experiments/ledger/command.h"
#include "tensor/ledger_file.h"

namespace palinode::experiments::ledger {
namespace {

bool wanted(const ShowOptions& options, const Record& record) {
  const bool freeze = record.kind == Record::Kind::kFreeze;
  const auto passes = [](const std::string& asked, const std::string& is) {
    return asked.empty() || asked == is;
  };
  return passes(options.store, record.store) && passes(options.name, record.name) &&
         passes(options.reason, freeze ? "freeze" : record.reason);
}

std::string line_of(const LedgerReader& reader, const Record& record) {
  if (record.kind == Record::Kind::kBegin) {
    return fmt::format("{:>8}  begins, level {}\n", record.seq, level_name(reader.level()));
  }
  if (record.kind == Record::Kind::kFreeze) {
    return fmt::format("{:>8}  {:<28} freeze  fingerprint {}\n", record.seq, record.store,
                       record.fingerprint);
  }
  if (record.kind == Record::Kind::kNote) {
    return fmt::format("{:>8}  event {}\n", record.seq,
                       reader.body().substr(reader.body().find(R"("event")")));
  }
  const std::string what = record.removed ? "  removed" : record.created() ? "  created" : "";
  return fmt::format(
      "{:>8}  {:<28} {:<8} by {} step {}  {} of {} changed, at most {:.4g}, l2 "
      "{:.4g}{}\n",
      record.seq, record.where(), record.reason, record.proposer, record.step, record.changed,
      record.elements, record.max_abs, record.l2, what);
}

}  // namespace

int show(const ShowOptions& options) {
  LedgerReader reader(options.source.file(), options.source.journal);
  const std::uint64_t from = options.from.value_or(0);
  const std::uint64_t to = options.to.value_or(std::numeric_limits<std::uint64_t>::max());
  while (reader.records() <= to && reader.next()) {
    if (reader.records() <= from) continue;
    const Record record = reader.record();
    if (!wanted(options, record)) continue;
    print(options.json ? fmt::format("{}\n", reader.line()) : line_of(reader, record));
  }
  reader.require_no_fault();
  return kDone;
}

int verify(const VerifyOptions& options) {
  const std::string path = options.source.file();
  LedgerVerdict verdict = verify_ledger(path, options.source.journal);
  if (verdict.intact && !options.head.empty() && hex(verdict.head) != options.head) {
    verdict.intact = false;
    verdict.fault = fmt::format("its head is {}, not {}: records are missing or written anew",
                                hex(verdict.head), options.head);
  }
  if (!verdict.intact) {
    print(fmt::format("{}: broken after {} records: {}\n", path, verdict.records, verdict.fault));
    return kCheckFailed;
  }
  const std::string payloads =
      verdict.payloads == 0 ? "" : fmt::format("{} bytes of journal, ", verdict.payloads);
  print(fmt::format("{}: {} records, {}chain intact, head {}\n", path, verdict.records, payloads,
                    hex(verdict.head)));
  return kDone;
}

}  // namespace palinode::experiments::ledger
