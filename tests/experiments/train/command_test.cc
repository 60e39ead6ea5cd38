// `palinode train`, `eval` and `generate` as programs: codes, streams, and being killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/experiments/train/temporary_run.h"

namespace palinode::experiments::train {
namespace {

namespace fs = std::filesystem;

// A program that runs, with its output in two files.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    static const Streams streams;
    arguments.insert(arguments.begin(), PALINODE_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
      posix_spawn_file_actions_addopen(&files, stream, path(stream).c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    }
    EXPECT_EQ(::posix_spawn(&id_, PALINODE_PROGRAM, &files, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
  }

  void send(int signal) const { ::kill(id_, signal); }

  // Its exit code, or minus the signal that ended it.
  int wait() const {
    int status = 0;
    EXPECT_EQ(::waitpid(id_, &status, 0), id_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  static std::string out() { return bytes_of(path(STDOUT_FILENO)); }
  static std::string err() { return bytes_of(path(STDERR_FILENO)); }

 private:
  // Its two streams go away with the test program.
  struct Streams {
    ~Streams() {
      for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::unlink(path(stream).c_str());
    }
  };

  static std::string path(int stream) {
    return (fs::temp_directory_path() /
            ("palinode_stream_" + std::to_string(getpid()) + "_" + std::to_string(stream)))
        .string();
  }

  pid_t id_ = 0;
};

int run(std::vector<std::string> arguments) { return Process(std::move(arguments)).wait(); }

void expect_one_line(std::vector<std::string> arguments, int code, const std::string& line) {
  EXPECT_EQ(run(std::move(arguments)), code);
  EXPECT_EQ(Process::out(), "");
  EXPECT_EQ(Process::err(), "palinode: " + line + "\n");
}

std::vector<std::string> train(const RunFolder& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"train", "digits_mlp", "--out", folder.path()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

const std::vector<std::string> kShort = {"--set", "train.steps=50", "--set",
                                         "train.checkpoint_every=9"};

TEST(TrainCommand, PutsResultsOnStdoutAndStepsOnStderr) {
  const TemporaryRun folder("streams");
  ASSERT_EQ(run(train(folder, kShort)), 0);
  const std::string out = Process::out(), err = Process::err();
  EXPECT_TRUE(out.starts_with("trained     50 steps, into " + folder.path() + "\n")) << out;
  for (const char* part : {"\nmodel       ", "\nvalidation  loss ", "\ntest        loss ",
                           " accuracy ", "\nledger      655 records, head "}) {
    EXPECT_NE(out.find(part), std::string::npos) << part << out;
  }
  for (const char* part : {"step 1/50  train loss 2.", "  lr 2.0e-03  ", " ms  ", " samples/s\n",
                           "step 50/50  validation loss "}) {
    EXPECT_NE(err.find(part), std::string::npos) << part << err;
  }
  EXPECT_EQ(err.find('\x1b'), std::string::npos);  // no colors away from a terminal
  for (const std::string& file : {folder.config(), folder.metrics(), folder.ledger(),
                                  folder.checkpoint(), folder.model(), folder.result()}) {
    EXPECT_TRUE(fs::exists(file)) << file;
  }
}

TEST(TrainCommand, QuietIsQuietAndJsonIsTheResultFile) {
  const TemporaryRun folder("json");
  std::vector<std::string> more = kShort;
  more.insert(more.end(), {"--quiet", "--json"});
  ASSERT_EQ(run(train(folder, more)), 0);
  EXPECT_EQ(Process::err(), "");
  EXPECT_EQ(Process::out(), bytes_of(folder.result()));
  const nlohmann::json json = nlohmann::json::parse(Process::out());
  EXPECT_EQ(json["steps"], 50);
  EXPECT_EQ(json["same_bits_contract"], true);
  EXPECT_TRUE(json["test"]["accuracy"].is_number());
}

TEST(TrainCommand, EvalGivesTheBitsOfTraining) {
  const TemporaryRun folder("eval");
  ASSERT_EQ(run(train(folder, {"--set", "train.steps=50", "--set", "train.keep=last", "--json"})),
            0);
  const nlohmann::json result = nlohmann::json::parse(Process::out());
  ASSERT_EQ(run({"eval", "--model", folder.model(), "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(Process::out())["result"], result["test"]);
  ASSERT_EQ(run({"eval", "--run", folder.path(), "--split", "validation", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(Process::out())["result"], result["validation"]);
  EXPECT_EQ(result["validation"]["loss"], metrics_of(folder).back()["validation_loss"]);
  expect_one_line({"generate", "--run", folder.path(), "--prompt", "a"}, 2,
                  "expected a language model, got model.kind mlp");
  expect_one_line({"eval", "--run", folder.path(), "--data", "cifar"}, 2,
                  "data.name: no data set is called \"cifar\"; there are digits, fashion-mnist, "
                  "mnist, austen, kjv, devil");
}

TEST(TrainCommand, RefusesToOverwriteARun) {
  const TemporaryRun folder("twice");
  ASSERT_EQ(run(train(folder, kShort)), 0);
  expect_one_line(train(folder, kShort), 2,
                  folder.path() +
                      ": holds a run; --resume goes on with it, --overwrite removes it, --out DIR "
                      "puts the new one elsewhere");
  EXPECT_EQ(run(train(folder, {"--overwrite", "--set", "train.steps=20"})), 0);
  EXPECT_EQ(metrics_of(folder).size(), 20U);
  expect_one_line(
      train(folder, {"--resume", "--set", "train.steps=30"}), 2,
      folder.config() + ": train.steps is 20, the command asks for 30; a run keeps its settings");
}

TEST(TrainCommand, LeavesAFolderToTheTrainingThatHoldsIt) {
  const TemporaryRun folder("held");
  const std::vector<std::string> steps = {"--set", "train.steps=20"};
  ASSERT_EQ(run(train(folder, steps)), 0);
  const std::string model = bytes_of(folder.model());
  {
    const RunLock other(folder.path());
    const std::string line = folder.path() + ": another training is writing into it";
    expect_one_line(train(folder, {"--overwrite"}), 4, line);
    expect_one_line({"train", "--resume", "--out", folder.path()}, 4, line);
    EXPECT_EQ(bytes_of(folder.model()), model);
  }
  EXPECT_EQ(run({"train", "--resume", "--out", folder.path()}), 0);
}

TEST(TrainCommand, TouchesNoFolderForSettingsThatDoNotFit) {
  const TemporaryRun folder("misfit");
  const std::vector<std::vector<std::string>> misfits = {
      {"--set", "data.validation=99999"},
      {"--set", "data.name=austen"},
      {"--set", "model.kind=cnn", "--set", "model.kernel=4"}};
  for (std::vector<std::string> misfit : misfits) {
    EXPECT_EQ(run(train(folder, misfit)), 2);
    EXPECT_FALSE(fs::exists(folder.config()));
  }
  ASSERT_EQ(run(train(folder, kShort)), 0);
  const std::string model = bytes_of(folder.model());
  for (std::vector<std::string> misfit : misfits) {
    misfit.push_back("--overwrite");
    EXPECT_EQ(run(train(folder, misfit)), 2);
    ASSERT_TRUE(fs::exists(folder.model()));
    EXPECT_EQ(bytes_of(folder.model()), model);
  }
}

TEST(TrainCommand, EndsWithTheCodeOfWhatWasWrong) {
  const TemporaryRun folder("codes");
  expect_one_line({"train"}, 2,
                  "train: expected the name of a configuration (--list), --config FILE, or "
                  "--resume --out DIR");
  expect_one_line(train(folder, {"--set", "train.batch=no"}), 2,
                  "--set train.batch=no: train.batch: expected an integer from 1 to 65536, got "
                  "\"no\"");
  EXPECT_FALSE(fs::exists(folder.path()));
  expect_one_line({"train", "--resume", "--out", folder.path()}, 3,
                  folder.path() + ": holds no run (no config.toml)");
  EXPECT_EQ(run({"train", "none.toml"}), 3);
  EXPECT_EQ(run({"eval", "--model", PALINODE_PROGRAM}), 3);
  EXPECT_EQ(run({"eval"}), 2);
  EXPECT_EQ(run({"train", "mnist_mlp", "--set", "data.dir=/nowhere", "--out", folder.path()}), 4);
  const std::string err = Process::err();
  EXPECT_NE(err.find("mnist"), std::string::npos);
  EXPECT_EQ(err.find('\n'), err.size() - 1) << err;
  EXPECT_EQ(run(train(folder, {"--overwrite", "--set", "optimizer.kind=sgd", "--set",
                               "optimizer.lr=1000", "--set", "optimizer.weight_decay=10"})),
            1);
}

TEST(TrainCommand, StopsAtAnInterruptAndSaysHowToGoOn) {
  const TemporaryRun whole("int_whole"), folder("int");
  const std::vector<std::string> steps = {"--quiet", "--ledger", "off", "--set",
                                          "train.steps=12000"};
  const Process process(train(folder, steps));
  for (int i = 0; i < 10000 && !fs::exists(folder.checkpoint()); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  process.send(SIGINT);
  ASSERT_EQ(process.wait(), 130);
  EXPECT_EQ(Process::out(), "");
  EXPECT_NE(Process::err().find("go on with: palinode train --resume --out " + folder.path()),
            std::string::npos)
      << Process::err();
  ASSERT_EQ(run({"train", "--resume", "--quiet", "--out", folder.path()}), 0);
  ASSERT_EQ(run(train(whole, steps)), 0);
  expect_same_run(whole, folder);
}

// `kill -9` at any moment, some before the first checkpoint and some while files are written, again
// and again, until one attempt comes through.
TEST(TrainCommand, KilledRunsEndInTheSameBits) {
  const TemporaryRun whole("kill_whole"), folder("kill");
  const std::vector<std::string> settings = {"--quiet", "--set", "train.steps=400", "--set",
                                             "train.checkpoint_every=10"};
  ASSERT_EQ(run(train(whole, settings)), 0);
  std::mt19937 random(3);
  int killed = 0;
  std::vector<std::string> more = settings;
  for (int attempt = 0; attempt < 8; ++attempt) {
    const Process process(train(folder, more));
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 60));
    process.send(SIGKILL);
    killed += static_cast<int>(process.wait() == -SIGKILL);
    const bool begun = fs::exists(folder.config());
    if (begun && more.size() == settings.size()) more.push_back("--resume");
  }
  EXPECT_GT(killed, 0);
  ASSERT_EQ(run(train(folder, more)), 0) << Process::err();
  expect_same_run(whole, folder);
  EXPECT_EQ(nlohmann::json::parse(bytes_of(whole.result())),
            nlohmann::json::parse(bytes_of(folder.result())));
}

TEST(TrainCommand, WritesText) {
  const TemporaryRun folder("text");
  ASSERT_EQ(run({"train", "austen_llama", "--quiet", "--out", folder.path(), "--set",
                 "train.steps=3", "--set", "optimizer.warmup=0", "--set", "data.name=devil",
                 "--set", "data.validation=640", "--set", "sample.tokens=20"}),
            0)
      << Process::err();
  EXPECT_NE(Process::out().find("  bits/byte "), std::string::npos);
  EXPECT_NE(Process::out().find("\nsample      Emma "), std::string::npos);
  EXPECT_TRUE(metrics_of(folder, true)[0]["time"].contains("tokens_per_second"));
  const std::vector<std::string> ask = {"generate", "--run", folder.path(), "--prompt", "The ",
                                        "--tokens", "30",    "--top-k",     "5"};
  ASSERT_EQ(run(ask), 0) << Process::err();
  const std::string text = Process::out();
  EXPECT_TRUE(text.starts_with("The ")) << text;
  EXPECT_EQ(text.size(), 4U + 30U + 1U);
  ASSERT_EQ(run(ask), 0);
  EXPECT_EQ(Process::out(), text);
  std::vector<std::string> other = ask;
  other.insert(other.end(), {"--seed", "2"});
  ASSERT_EQ(run(other), 0);
  EXPECT_NE(Process::out(), text);
  EXPECT_EQ(run({"generate", "--run", folder.path(), "--prompt", "\xC3\xBC"}), 2);
  EXPECT_EQ(run({"generate", "--run", folder.path(), "--prompt", ""}), 2);
  expect_one_line({"generate", "--run", folder.path(), "--prompt", "T", "--temperature", "nan"}, 2,
                  "--temperature: expected a number from 0 to 100, got nan");
}

TEST(TrainCommand, HelpHasExamples) {
  for (const char* command : {"train", "eval", "generate"}) {
    EXPECT_EQ(run({command, "--help"}), 0);
    EXPECT_NE(Process::out().find(std::string("  palinode ") + command + " "), std::string::npos);
  }
  EXPECT_EQ(run({"train", "--list"}), 0);
  EXPECT_NE(Process::out().find("mnist_cnn"), std::string::npos);
}

}  // namespace
}  // namespace palinode::experiments::train
