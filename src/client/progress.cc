#include "client/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace tillrace::client {
namespace {

constexpr int kBarCells = 24;

void write_to_stderr(std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;  // progress that nobody can see is no failure
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

double share(const Progress& progress) {
  if (!progress.total || *progress.total == 0) return 0;
  return std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(*progress.total));
}

std::string rate_text(const Progress& progress, const std::string& unit, double seconds) {
  double rate = seconds > 0 ? static_cast<double>(progress.events) / seconds : 0;
  return fmt::format("{} {}, {}/s", grouped(progress.events), unit,
                     grouped(static_cast<std::uint64_t>(rate)));
}

std::string left_text(const Progress& progress, double seconds) {
  double part = share(progress);
  return part > 0 ? fmt::format(", {} left", duration_text(seconds / part - seconds)) : "";
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string duration_text(double seconds) {
  auto whole = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

ProgressBar ProgressBar::on_stderr(std::string label, Clock& clock, std::string unit) {
  ProgressOptions options;
  options.label = std::move(label);
  options.unit = std::move(unit);
  options.terminal = ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    options.columns = size.ws_col;
  return {std::move(options), write_to_stderr, clock};
}

ProgressBar::ProgressBar(ProgressOptions options, Write write, Clock& clock)
    : options_(std::move(options)),
      write_(std::move(write)),
      clock_(clock),
      began_(clock.monotonic()),
      drawn_(began_) {}

void ProgressBar::update(const Progress& progress) {
  auto now = clock_.monotonic();
  auto interval = std::chrono::milliseconds(options_.terminal ? options_.redraw_interval_ms
                                                              : options_.line_interval_ms);
  if (now - drawn_ < interval) return;
  drawn_ = now;
  double seconds = std::chrono::duration<double>(now - began_).count();
  if (!options_.terminal) return write_(line(progress, seconds));
  write_("\r" + bar(progress, seconds) + "\x1b[K");  // and nothing behind it on the line
  is_drawn_ = true;
}

void ProgressBar::clear() {
  if (!is_drawn_) return;
  write_("\r\x1b[K");
  is_drawn_ = false;
}

std::string ProgressBar::bar(const Progress& progress, double seconds) const {
  std::string text = options_.label + " ";
  if (progress.total) {
    double part = share(progress);
    auto full = static_cast<std::size_t>(part * kBarCells);
    text += '[' + std::string(full, '#') + std::string(kBarCells - full, '.') +
            fmt::format("] {:3}% ", static_cast<int>(part * 100));
  }
  text += rate_text(progress, options_.unit, seconds) + left_text(progress, seconds);
  // A line that wraps could not be drawn over.
  return text.substr(0, static_cast<std::size_t>(std::max(1, options_.columns - 1)));
}

std::string ProgressBar::line(const Progress& progress, double seconds) const {
  std::string percent =
      progress.total ? fmt::format("{}%, ", static_cast<int>(share(progress) * 100)) : "";
  return options_.label + ": " + percent + rate_text(progress, options_.unit, seconds) +
         left_text(progress, seconds) + "\n";
}

}  // namespace tillrace::client
