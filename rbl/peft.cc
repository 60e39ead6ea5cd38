#include "rbl/peft.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "nn/layout.h"
#include "rbl/kinds/low_rank.h"
#include "rbl/peft_config.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors_header.h"

namespace palinode::rbl {
namespace {

constexpr std::size_t kMaxConfig = std::size_t{1} << 20;
constexpr const char* kConfigFile = "/adapter_config.json";
constexpr const char* kModelFile = "/adapter_model.safetensors";
constexpr const char* kIdentity = "palinode.identity";
constexpr const char* kPrefix = "base_model.model.";

// What one module brings, in f32 or f64 and in PEFT's layout.
struct Part {
  PeftModule module;
  std::uint64_t rank;
  double scaling;
  Tensor a, b, magnitude;  // [rank, in], [width, rank], [width] or nothing
};

class Reader {
 public:
  Reader(const std::string& folder, const nn::Network& identity, PeftNames names)
      : identity_(identity),
        config_(parse_peft_config(read_file(folder + kConfigFile, kMaxConfig),
                                  "PEFT: " + folder + kConfigFile)),
        content_(read_safetensors(folder + kModelFile)),
        where_("PEFT: " + folder + kModelFile),
        dtype_(identity.store().entries().front().value.dtype()) {
    for (const Named& each : content_.tensors) left_.emplace(each.name, &each.value);
    for (const PeftModule& module : peft_modules(identity, names)) read_module(module);
    if (!left_.empty()) refuse(left_.begin()->first);
    if (parts_.empty()) fail("no tensors");
  }

  PeftAdapter take() {
    PeftAdapter adapter;
    for (const auto& [name, value] : config_.notes) adapter.notes["peft." + name] = value;
    if (widened_) adapter.notes["peft.dtype"] = std::string(dtype_name(*widened_));
    const auto stated = content_.metadata.find(kIdentity);
    if (stated != content_.metadata.end()) adapter.notes[kIdentity] = stated->second;
    choose_settings(adapter.config);
    for (const std::string& site : identity_.sites()) add_site(adapter, site);
    return adapter;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(fmt::format("{}: {}", where_, what));
  }

  [[noreturn]] void refuse(std::string_view name) const {
    const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
    if (has(".lora_embedding_"))
      fail(fmt::format("{}: adapts an embedding", palinode::quoted(name)));
    if (has(".modules_to_save.")) fail(fmt::format("{}: a whole module", palinode::quoted(name)));
    if (name.ends_with(".bias")) fail(fmt::format("{}: a bias", palinode::quoted(name)));
    fail(fmt::format("{}: the identity has no such module", palinode::quoted(name)));
  }

  void read_module(const PeftModule& module) {
    const std::string prefix = kPrefix + module.name;
    const std::string a = prefix + ".lora_A.weight", b = prefix + ".lora_B.weight";
    const std::string magnitude = prefix + ".lora_magnitude_vector";
    const bool there = left_.contains(a) || left_.contains(b) || left_.contains(magnitude);
    const bool adapted = config_.adapts(module.name);
    if (there && !adapted)
      fail(fmt::format("{}: no module that its config names", palinode::quoted(a)));
    if (!there && (!adapted || !config_.targets)) return;
    const std::uint64_t rank = config_.rank_of(module.name);
    const std::size_t in = identity_.store().at(module.site + ".weight").shape()[0];
    const std::size_t width = module.end - module.begin;
    const double root =
        config_.rank_stabilized ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
    Part part{module, rank, config_.alpha_of(module.name) / root, {}, {}, {}};
    part.a = take_tensor(a, {rank, in});
    part.b = take_tensor(b, {width, rank});
    if (config_.dora) part.magnitude = take_tensor(magnitude, {width});
    parts_.push_back(std::move(part));
  }

  Tensor take_tensor(const std::string& name, const Shape& shape) {
    const auto found = left_.find(name);
    if (found == left_.end()) fail(fmt::format("no tensor {}", name));
    const Tensor& value = *found->second;
    const bool half = value.dtype() == Dtype::kBf16 || value.dtype() == Dtype::kF16;
    if ((!half && value.dtype() != dtype_) || value.shape() != shape) {
      fail(fmt::format("{} is {}, expected {} {}", name, value.describe(), dtype_name(dtype_),
                       shape.to_string()));
    }
    left_.erase(found);
    if (half) widened_ = value.dtype();
    return value.to(dtype_);
  }

  // As they stand if all modules are whole layers of one rank and one alpha, otherwise the rank of
  // the widest site and its greatest scaling.
  void choose_settings(BehaviorConfig& config) {
    config.kind = config_.dora ? "dora" : "lora";
    std::map<std::string_view, std::uint64_t> ranks;
    bool plain = true;
    for (const Part& part : parts_) {
      ranks[part.module.site] += part.rank;
      scaling_ = std::max(scaling_, part.scaling);
      plain &= part.module.begin == 0 && part.rank == config_.rank &&
               config_.alpha_of(part.module.name) == config_.alpha;
    }
    for (const auto& [site, rank] : ranks) rank_ = std::max(rank_, rank);
    plain &= rank_ == config_.rank;
    for (const std::string& site : identity_.sites()) {
      if (ranks.contains(site)) config.sites.push_back(site);
    }
    const auto rank = static_cast<double>(rank_);
    config.settings = {{"rank", rank},
                       {"alpha", plain ? config_.alpha : alpha_for(scaling_, rank)},
                       {"rank_stabilized", plain && config_.rank_stabilized ? 1 : 0}};
  }

  // alpha / rank is the scaling to the last bit.
  double alpha_for(double scaling, double rank) const {
    const double near = scaling * rank;
    for (const double alpha : {near, std::nextafter(near, 0.0), std::nextafter(near, 2 * near)}) {
      if (alpha / rank == scaling) return alpha;
    }
    fail(fmt::format("the scaling {} is alpha / {} for no alpha", scaling, rank));
  }

  void add_site(PeftAdapter& adapter, const std::string& site) {
    std::vector<const Part*> parts;
    for (const Part& part : parts_) {
      if (part.module.site == site) parts.push_back(&part);
    }
    if (parts.empty()) return;
    with_float(dtype_, "PEFT", [&]<class T>() {
      adapter.values[site + ".lora_A"] = joined_a<T>(parts, site);
      adapter.values[site + ".lora_B"] = joined_b<T>(parts, site);
      if (!config_.dora) return;
      adapter.values[site + ".lora_magnitude"] = differences<T>(parts, site, adapter);
    });
  }

  const Shape& weight_shape(const std::string& site) const {
    return identity_.store().at(site + ".weight").shape();
  }

  // [in, rank]: the parts' columns side by side.
  template <class T>
  Tensor joined_a(std::span<const Part* const> parts, const std::string& site) const {
    const std::size_t in = weight_shape(site)[0];
    TensorBuilder builder({in, rank_}, dtype_);
    const std::span<T> out = builder.values<T>();
    std::ranges::fill(out, T{0});
    std::size_t first = 0;
    for (const Part* part : parts) {
      const std::span<const T> a = part->a.values<T>();
      for (std::size_t r = 0; r < part->rank; ++r) {
        for (std::size_t i = 0; i < in; ++i) out[i * rank_ + first + r] = a[r * in + i];
      }
      first += part->rank;
    }
    return std::move(builder).build();
  }

  // [rank, out]: each part in its own rows and columns.
  template <class T>
  Tensor joined_b(std::span<const Part* const> parts, const std::string& site) const {
    const std::size_t width = weight_shape(site)[1];
    TensorBuilder builder({rank_, width}, dtype_);
    const std::span<T> out = builder.values<T>();
    std::ranges::fill(out, T{0});
    std::size_t first = 0;
    for (const Part* part : parts) {
      const T factor = static_cast<T>(factor_of(*part));
      const std::span<const T> b = part->b.values<T>();
      for (std::size_t o = 0; o < part->module.end - part->module.begin; ++o) {
        for (std::size_t r = 0; r < part->rank; ++r) {
          const T value = b[o * part->rank + r], scaled = value * factor;
          if (!std::isnan(value) && scaled / factor != value) {
            fail(fmt::format("{}: B is too small for its scaling", part->module.name));
          }
          out[(first + r) * width + part->module.begin + o] = factor == T{1} ? value : scaled;
        }
      }
      first += part->rank;
    }
    return std::move(builder).build();
  }

  // A power of two: a product with it is no rounding.
  double factor_of(const Part& part) const {
    if (part.scaling == scaling_) return 1;
    const double factor = part.scaling / scaling_;
    int exponent = 0;
    if (std::frexp(factor, &exponent) == 0.5 && factor * scaling_ == part.scaling) return factor;
    fail(fmt::format("{}: its scaling {} and another's, {}, are not a power of two apart",
                     part.module.name, part.scaling, scaling_));
  }

  template <class T>
  Tensor differences(std::span<const Part* const> parts, const std::string& site,
                     PeftAdapter& adapter) const {
    Tape tape;
    const Var weight = tape.constant(identity_.store().at(site + ".weight"));
    const Tensor norms = kinds::column_norms(weight).value();
    const std::span<const T> before = norms.values<T>();
    TensorBuilder builder({before.size()}, dtype_);
    const std::span<T> out = builder.values<T>();
    std::ranges::fill(out, T{0});
    for (const Part* part : parts) {
      const std::span<const T> wanted = part->magnitude.values<T>();
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const T norm = before[part->module.begin + i];
        const T found = difference(norm, wanted[i]);
        out[part->module.begin + i] = found;
        const double off = std::abs(static_cast<double>(norm + found) - wanted[i]);
        adapter.magnitude_error = std::max(adapter.magnitude_error, off);
      }
    }
    return std::move(builder).build();
  }

  template <class T>
  static T difference(T norm, T wanted) {
    const T near = wanted - norm;
    constexpr T kInfinity = std::numeric_limits<T>::infinity();
    for (const T d : {near, std::nextafter(near, -kInfinity), std::nextafter(near, kInfinity)}) {
      if (norm + d == wanted) return d;
    }
    return near;
  }

  const nn::Network& identity_;
  PeftConfig config_;
  SafetensorsFile content_;
  std::string where_;
  Dtype dtype_;
  std::map<std::string, const Tensor*, std::less<>> left_;  // not asked for yet
  std::vector<Part> parts_;
  std::optional<Dtype> widened_;
  std::uint64_t rank_ = 0;
  double scaling_ = 0;
};

// m, as the unit computes it.
Tensor magnitudes(const Behavior& unit, const kinds::LowRank::Site& site) {
  Tape tape;
  const Var weight = tape.constant(unit.theta().at(site.weight));
  const Var before = kinds::column_norms(weight);
  const Var longer = tape.constant(unit.phi().at(site.name + ".lora_magnitude"));
  return add(before, longer).value().reshape({site.out}).compact();
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return;
  throw EnvironmentError(fmt::format("cannot make the folder {}: {}", folder, error.message()));
}

}  // namespace

PeftAdapter read_peft(const std::string& folder, const nn::Network& identity, PeftNames names) {
  return Reader(folder, identity, names).take();
}

LoadedBehavior load_peft(Ledger& ledger, const nn::Network& identity, const std::string& folder,
                         const std::string& name, PeftNames names, OtherIdentity other) {
  PeftAdapter adapter = read_peft(folder, identity, names);
  LoadedBehavior loaded{nullptr, record_of(identity), {}};
  const std::string actual = hex(loaded.record.identity);
  const auto stated = adapter.notes.find(kIdentity);
  loaded.forced = stated != adapter.notes.end() && stated->second != actual;
  if (loaded.forced && other == OtherIdentity::kRefuse) {
    throw FormatError(fmt::format("PEFT: {}{}: was made for the identity {}, this one is {}",
                                  folder, kModelFile, palinode::quoted(stated->second), actual));
  }
  if (loaded.forced) loaded.record.forced_onto = actual;
  loaded.record.notes = std::move(adapter.notes);
  if (adapter.config.kind == "dora") {
    loaded.record.notes["peft.magnitude_error"] = fmt::format("{}", adapter.magnitude_error);
  }
  Ledger blank(Ledger::Level::kOff);  // to try the settings with
  make_behavior(blank.open("phi", Role::kBehavior), identity, adapter.config);
  loaded.unit = make_behavior(ledger.open(name, Role::kBehavior), identity, adapter.config);
  Proposal proposal{
      .reason = Reason::kLoad,
      .proposer = PoolString(adapter.config.kind + (loaded.forced ? ".peft.forced" : ".peft"))};
  for (const nn::Parameter& parameter : loaded.unit->parameters()) {
    proposal.writes.push_back(
        {&loaded.unit->phi(), PoolString(parameter.name), adapter.values.at(parameter.name), true});
  }
  ledger.commit(proposal);
  return loaded;
}

void save_peft(const std::string& folder, const Behavior& unit, const BehaviorRecord& record) {
  const auto* low_rank = dynamic_cast<const kinds::LowRank*>(&unit);
  if (low_rank == nullptr) {
    throw NameError(fmt::format("PEFT: a {} has no form there that this writes; lora and dora do",
                                unit.kind()));
  }
  const auto& settings = unit.config().settings;
  PeftConfig config{.rank = static_cast<std::uint64_t>(settings.at("rank")),
                    .alpha = settings.at("alpha"),
                    .rank_stabilized = settings.at("rank_stabilized") != 0,
                    .dora = unit.kind() == "dora",
                    .targets = unit.config().sites};
  constexpr std::string_view kNote = "peft.";
  for (const auto& [key, value] : record.notes) {
    if (key.starts_with(kNote)) config.notes[key.substr(kNote.size())] = value;
  }
  SafetensorsFile content{.metadata = {{"format", "pt"}, {kIdentity, hex(record.identity)}},
                          .tensors = {}};
  for (const kinds::LowRank::Site& site : low_rank->sites()) {
    const std::string prefix = kPrefix + site.name;
    for (const auto& [name, parameter] :
         {std::pair(".lora_A.weight", site.a), {".lora_B.weight", site.b}}) {
      content.tensors.push_back(
          {prefix + name, nn::to_file(unit.phi().at(parameter), nn::Layout::kLinear)});
    }
    if (config.dora) {
      content.tensors.push_back({prefix + ".lora_magnitude_vector", magnitudes(unit, site)});
    }
  }
  make_folder(folder);
  write_safetensors(folder + kModelFile, content);
  write_file_atomically(folder + kConfigFile, peft_config_json(config));
}

}  // namespace palinode::rbl
