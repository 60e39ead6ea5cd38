// Peers by MPI: the module that `--mpi` loads.
#include <fmt/format.h>
#include <mpi.h>

#include <climits>
#include <cstdint>

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
    for (int from = 0; from < size_; ++from) {
      std::string& text = all[static_cast<std::size_t>(from)];
      if (from == rank_) text = mine;
      text.resize(lengths[static_cast<std::size_t>(from)]);
      // Counts are ints: long texts go in pieces.
      for (std::size_t begin = 0; begin < text.size(); begin += INT_MAX) {
        const std::size_t piece = std::min<std::size_t>(INT_MAX, text.size() - begin);
        check(
            MPI_Bcast(text.data() + begin, static_cast<int>(piece), MPI_BYTE, from, MPI_COMM_WORLD),
            "MPI_Bcast");
      }
    }
    return all;
  }

  void abort(int code) override { MPI_Abort(MPI_COMM_WORLD, code); }

 private:
  int rank_ = 0, size_ = 1, local_ = 1;
};

}  // namespace
}  // namespace palinode::experiments

extern "C" palinode::experiments::Peers* palinode_mpi_peers() {
  return new palinode::experiments::MpiPeers();
}
