// Reads settings from their four sources (app/config.h).
#include <toml++/toml.h>

#include "app/config.h"
#include "base/files.h"

namespace tillrace::app {
namespace {

constexpr std::string_view kPrefix = "TILLRACE_";

Status set(LoadedConfig& loaded, const std::string& key, const std::string& value,
           const std::string& source) {
  auto setting = find_setting(key);
  if (!setting) return fail(setting.error(), source);
  if (Status done = (*setting)->set(loaded.config, value); !done)
    return fail(done.error(), fmt::format("{}: {}", source, key));
  loaded.sources[key] = source;
  return {};
}

// TILLRACE_HTTP__LISTEN -> http.listen
std::string key_of_variable(std::string_view variable) {
  std::string key;
  for (char c : variable.substr(kPrefix.size()))
    key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (std::size_t at = key.find("__"); at != std::string::npos) key.replace(at, 2, ".");
  return key;
}

Status apply_variables(LoadedConfig& loaded, const std::vector<std::string>& lines,
                       const std::string& where) {
  for (const std::string& line : lines) {
    std::size_t equals = line.find('=');
    if (!line.starts_with(kPrefix)) continue;
    if (equals == std::string::npos)
      return fail(Code::invalid, "{}: '{}' is not NAME=value", where, line);
    std::string variable = line.substr(0, equals);
    Status done = set(loaded, key_of_variable(variable), line.substr(equals + 1),
                      fmt::format("{} in {}", variable, where));
    if (!done) return done;
  }
  return {};
}

// What stands in quotes, or else before a blank and #.
std::string dot_env_value(std::string_view text) {
  if (text.starts_with('"') || text.starts_with('\'')) {
    std::size_t end = text.find(text.front(), 1);
    std::size_t rest = end == std::string_view::npos ? end : text.find_first_not_of(" \t", end + 1);
    bool ends_there =
        end != std::string_view::npos && (rest == std::string_view::npos || text[rest] == '#');
    return std::string(ends_there ? text.substr(1, end - 1) : text);
  }
  text = text.substr(0, std::min(text.find(" #"), text.find("\t#")));
  return std::string(text.substr(0, text.find_last_not_of(" \t") + 1));
}

// NAME=value, a line each; blank lines, # comments, an `export` in front and quotes around the
// value are allowed.
std::vector<std::string> dot_env_lines(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.starts_with("export "))
      line.erase(0, std::min(line.find_first_not_of(' ', 7), line.size()));
    if (line.starts_with('#')) continue;
    std::size_t equals = line.find('=');
    if (equals != std::string::npos)
      line = line.substr(0, equals + 1) + dot_env_value(line.substr(equals + 1));
    lines.push_back(line);
  }
  return lines;
}

Status apply_dot_env(LoadedConfig& loaded, const std::filesystem::path& path) {
  auto text = read_file(path);
  if (!text && text.error().code == Code::not_found) return {};
  if (!text) return fail(text.error());
  return apply_variables(loaded, dot_env_lines(*text), path.string());
}

Result<std::string> text_of(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return *text;
  if (auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (auto flag = node.value_exact<bool>()) return std::string(*flag ? "true" : "false");
  return fail(Code::invalid, "a text, a whole number, one with decimals, true or false is wanted");
}

Status apply_table(LoadedConfig& loaded, const toml::table& table, const std::string& prefix,
                   const std::string& file) {
  for (const auto& [name, node] : table) {
    std::string key = prefix + std::string(name.str());
    if (const toml::table* inner = node.as_table()) {
      if (Status done = apply_table(loaded, *inner, key + ".", file); !done) return done;
      continue;
    }
    std::string source = fmt::format("{}:{}", file, node.source().begin.line);
    auto text = text_of(node);
    if (!text) return fail(text.error(), fmt::format("{}: {}", source, key));
    if (Status done = set(loaded, key, *text, source); !done) return done;
  }
  return {};
}

Status apply_file(LoadedConfig& loaded, const std::filesystem::path& path) {
  auto text = read_file(path);
  if (!text) return fail(Code::invalid, "{}; --config names a TOML file", text.error().message);
  try {
    return apply_table(loaded, toml::parse(*text, path.string()), "", path.string());
  } catch (const toml::parse_error& error) {
    return fail(Code::invalid, "{}:{}: {}", path.string(), error.source().begin.line,
                error.description());
  }
}

}  // namespace

Result<LoadedConfig> load_config(const ConfigInputs& inputs) {
  LoadedConfig loaded;
  if (inputs.file) {
    if (Status done = apply_file(loaded, *inputs.file); !done) return fail(done.error());
  }
  if (Status done = apply_dot_env(loaded, inputs.dot_env); !done) return fail(done.error());
  if (Status done = apply_variables(loaded, inputs.environment, "the environment"); !done)
    return fail(done.error());
  for (const auto& [key, value] : inputs.flags)
    if (Status done = set(loaded, key, value, "the command line"); !done) return fail(done.error());
  return loaded;
}

}  // namespace tillrace::app
