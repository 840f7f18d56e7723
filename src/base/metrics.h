// Counters, gauges and histograms, shown at /metrics in Prometheus' text format. Names start with
// tillrace_, units are their last word; label values come from small fixed sets.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tillrace {

using Labels = std::map<std::string, std::string>;

// Handles are cheap to copy, thread-safe, and live as long as the Metrics that made them.
class Counter {
 public:
  void add(double amount = 1);
  double value() const;

 private:
  friend class Metrics;
  void* counter_ = nullptr;  // prometheus::Counter, whose header stays in metrics.cc
};

class Gauge {
 public:
  void set(double value);
  void add(double amount);
  double value() const;

 private:
  friend class Metrics;
  void* gauge_ = nullptr;
};

class Histogram {
 public:
  void observe(double value);

 private:
  friend class Metrics;
  void* histogram_ = nullptr;
};

// Thread-safe. The same name and labels give the same counter.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `bounds`: upper bounds of the buckets, ascending.
  Histogram histogram(const std::string& name, const std::string& help,
                      const std::vector<double>& bounds, const Labels& labels = {});
  // The text exposition format 0.0.4.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tillrace
