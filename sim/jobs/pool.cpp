// SPDX-License-Identifier: Apache-2.0
// Worker processes over pipes. The parent writes a job's index and a newline; the worker answers with 'R' or
// 'E' (exception) and one line.
#include "jobs/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "base/cancel.h"

namespace pmusim::jobs {
namespace {

using Clock = std::chrono::steady_clock;

void write_all(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the other side is gone; its end is noticed when reading
    at += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void serve(int in, int out, const std::function<std::string(std::size_t)>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  handle_interrupts(false);
  std::FILE* jobs = ::fdopen(in, "r");
  unsigned long index = 0;
  while (jobs && std::fscanf(jobs, "%lu", &index) == 1) {
    std::string answer;
    try {
      answer = "R" + work(index);
    } catch (const std::exception& error) {
      answer = std::string("E") + error.what();
      std::replace(answer.begin(), answer.end(), '\n', ' ');
    }
    write_all(out, answer + "\n");
  }
  std::fflush(nullptr);
  ::_exit(0);  // no destructors: the simulation ends with its process
}

struct Worker {
  pid_t pid = -1;
  int to = -1, from = -1;
  bool busy = false;
  std::size_t job = 0;
  std::string text;  // of the answer, as far as it has come
  Clock::time_point since;
};

class Pool {
 public:
  Pool(std::size_t jobs, const PoolSettings& settings, const std::function<std::string(std::size_t)>& work,
       const std::function<std::string(std::size_t, const std::string&)>& died,
       const std::function<void(std::size_t, const std::string&)>& on_result)
      : settings_(settings), work_(work), died_(died), on_result_(on_result), results_(jobs) {
    workers_.resize(std::max<std::size_t>(1, std::min<std::size_t>(settings.workers, jobs)));
  }

  std::vector<std::string> run() {
    // A worker that died makes the write to its pipe fail; the default action would end us.
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    struct sigaction before {};
    ::sigaction(SIGPIPE, &ignore, &before);
    while (!interrupt_signal()) {
      for (Worker& worker : workers_) give_job(worker);
      if (!busy()) break;
      collect();
    }
    if (interrupt_signal()) interrupt();
    for (Worker& worker : workers_) end(worker);
    ::sigaction(SIGPIPE, &before, nullptr);
    return std::move(results_);
  }

 private:
  void give_job(Worker& worker) {
    if (worker.busy || next_ == results_.size() || (settings_.enough && settings_.enough())) return;
    if (worker.pid < 0) start(worker);
    worker.job = next_++;
    worker.busy = true;
    worker.since = Clock::now();
    worker.text.clear();
    write_all(worker.to, std::to_string(worker.job) + "\n");
  }

  void start(Worker& worker) {
    int job[2], answer[2];
    if (::pipe2(job, O_CLOEXEC) != 0 || ::pipe2(answer, O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe");
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid == 0) {
      // Ends of other workers' pipes would keep those workers alive.
      for (const Worker& other : workers_)
        if (other.pid >= 0) ::close(other.to), ::close(other.from);
      ::close(job[1]);
      ::close(answer[0]);
      serve(job[0], answer[1], work_);
    }
    ::close(job[0]);
    ::close(answer[1]);
    worker = Worker{pid, job[1], answer[0], false, 0, "", {}};
  }

  bool busy() const {
    return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.busy; });
  }

  // Ends a worker and says how it ended.
  std::string end(Worker& worker) {
    if (worker.pid < 0) return "";
    ::close(worker.to);
    ::close(worker.from);
    int status = 0;
    while (::waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
    }
    worker.pid = -1;
    if (WIFSIGNALED(status))
      return std::string("the worker was ended by signal ") + std::to_string(WTERMSIG(status)) + " (" +
             ::strsignal(WTERMSIG(status)) + ")";
    return "the worker ended with status " + std::to_string(WEXITSTATUS(status));
  }

  void finish(Worker& worker, std::string result) {
    results_[worker.job] = std::move(result);
    worker.busy = false;
    if (!results_[worker.job].empty()) on_result_(worker.job, results_[worker.job]);
  }

  void collect() {
    std::vector<pollfd> polls;
    std::vector<Worker*> of;
    for (Worker& worker : workers_)
      if (worker.busy) polls.push_back({worker.from, POLLIN, 0}), of.push_back(&worker);
    const int ready = ::poll(polls.data(), polls.size(), settings_.on_wait ? 200 : 1000);
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (settings_.on_wait) settings_.on_wait();
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (ready > 0 && polls[i].revents)
        read_from(*of[i]);
      else if (Clock::now() - of[i]->since > std::chrono::seconds(settings_.hung_after_seconds))
        kill_hung(*of[i]);
    }
  }

  // Workers end their jobs early and answer; those that do not are killed.
  void interrupt() {
    constexpr std::chrono::seconds kGrace(10);
    for (Worker& worker : workers_)
      if (worker.busy) ::kill(worker.pid, SIGTERM);
    for (const Clock::time_point since = Clock::now(); busy() && Clock::now() - since < kGrace;) collect();
    for (Worker& worker : workers_)
      if (worker.busy) ::kill(worker.pid, SIGKILL);
  }

  void kill_hung(Worker& worker) {
    ::kill(worker.pid, SIGKILL);
    end(worker);
    finish(worker, died_(worker.job, "the worker did not answer within " +
                                         std::to_string(settings_.hung_after_seconds) + " s of wall time"));
  }

  void read_from(Worker& worker) {
    char buffer[65536];
    const ssize_t n = ::read(worker.from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) return;
    if (n > 0) worker.text.append(buffer, static_cast<std::size_t>(n));
    if (n <= 0) {
      const std::string reason = end(worker);
      finish(worker, died_(worker.job, reason));
    } else if (worker.text.back() == '\n') {
      worker.text.pop_back();
      const std::string answer = worker.text.substr(1);
      finish(worker, worker.text[0] == 'R' ? answer : died_(worker.job, answer));
    }
  }

  const PoolSettings& settings_;
  const std::function<std::string(std::size_t)>& work_;
  const std::function<std::string(std::size_t, const std::string&)>& died_;
  const std::function<void(std::size_t, const std::string&)>& on_result_;
  std::vector<std::string> results_;
  std::vector<Worker> workers_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<std::string> run_jobs(std::size_t jobs, const PoolSettings& settings,
                                  const std::function<std::string(std::size_t)>& work,
                                  const std::function<std::string(std::size_t, const std::string&)>& died,
                                  const std::function<void(std::size_t, const std::string&)>& on_result) {
  return Pool(jobs, settings, work, died, on_result).run();
}

unsigned default_workers() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace pmusim::jobs
