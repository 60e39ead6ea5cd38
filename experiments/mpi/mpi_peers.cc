// Peers by MPI: the module that `--mpi` loads.
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/suite/mpi_module.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw EnvironmentError(fmt::format("{}: {}", what, text));
}

class MpiPeers : public Peers {
 public:
  MpiPeers() {
    int given = 0;
    // Only the thread that started MPI speaks to it.
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given), "MPI_Init_thread");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    MPI_Comm local = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &local),
          "MPI_Comm_split_type");
    check(MPI_Comm_size(local, &local_), "MPI_Comm_size");
    MPI_Comm_free(&local);
  }
  ~MpiPeers() override { MPI_Finalize(); }

  std::size_t rank() const override { return static_cast<std::size_t>(rank_); }
  std::size_t size() const override { return static_cast<std::size_t>(size_); }
  std::size_t on_this_machine() const override { return static_cast<std::size_t>(local_); }

  std::vector<std::string> exchange(const std::string& mine) override {
    const std::uint64_t length = mine.size();
    std::vector<std::uint64_t> lengths(size());
    check(MPI_Allgather(&length, 1, MPI_UINT64_T, lengths.data(), 1, MPI_UINT64_T, MPI_COMM_WORLD),
          "MPI_Allgather");
    std::vector<std::string> all(size());
    // Counts are ints: long texts go in pieces, so long that those of all fit into one.
    const std::uint64_t most = INT_MAX / size(), longest = std::ranges::max(lengths);
    for (std::uint64_t begin = 0; begin < longest; begin += most) {
      append_pieces(mine, lengths, begin, most, all);
    }
    return all;
  }

  void abort(int code) override { MPI_Abort(MPI_COMM_WORLD, code); }

 private:
  // Bytes [begin, begin + most) of each text, as far as it reaches.
  void append_pieces(const std::string& mine, const std::vector<std::uint64_t>& lengths,
                     std::uint64_t begin, std::uint64_t most, std::vector<std::string>& all) const {
    std::vector<int> counts, places;
    int total = 0;
    for (const std::uint64_t length : lengths) {
      counts.push_back(static_cast<int>(std::min(most, length - std::min(begin, length))));
      places.push_back(total);
      total += counts.back();
    }
    std::string pieces(static_cast<std::size_t>(total), '\0');
    check(MPI_Allgatherv(mine.data() + std::min<std::uint64_t>(begin, mine.size()), counts[rank()],
                         MPI_BYTE, pieces.data(), counts.data(), places.data(), MPI_BYTE,
                         MPI_COMM_WORLD),
          "MPI_Allgatherv");
    for (std::size_t from = 0; from < size(); ++from) {
      all[from].append(pieces, static_cast<std::size_t>(places[from]),
                       static_cast<std::size_t>(counts[from]));
    }
  }

  int rank_ = 0, size_ = 1, local_ = 1;
};

}  // namespace
}  // namespace palinode::experiments

extern "C" palinode::experiments::Peers* palinode_mpi_peers() {
  return new palinode::experiments::MpiPeers();
}
