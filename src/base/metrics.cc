#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace tillrace {

struct Metrics::Impl {
  prometheus::Registry registry;
};

void Counter::add(double amount) { static_cast<prometheus::Counter*>(counter_)->Increment(amount); }
double Counter::value() const { return static_cast<prometheus::Counter*>(counter_)->Value(); }
void Gauge::set(double value) { static_cast<prometheus::Gauge*>(gauge_)->Set(value); }
void Gauge::add(double amount) { static_cast<prometheus::Gauge*>(gauge_)->Increment(amount); }
double Gauge::value() const { return static_cast<prometheus::Gauge*>(gauge_)->Value(); }
void Histogram::observe(double value) {
  static_cast<prometheus::Histogram*>(histogram_)->Observe(value);
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  Counter made;
  made.counter_ =
      &prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry).Add(labels);
  return made;
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  Gauge made;
  made.gauge_ =
      &prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add(labels);
  return made;
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const std::vector<double>& bounds, const Labels& labels) {
  Histogram made;
  made.histogram_ = &prometheus::BuildHistogram()
                         .Name(name)
                         .Help(help)
                         .Register(impl_->registry)
                         .Add(labels, prometheus::Histogram::BucketBoundaries(bounds));
  return made;
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace tillrace
