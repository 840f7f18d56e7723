// Threads with a name (seen in top -H, gdb and logs). Every thread of the program is made here and
// listed in ARCHITECTURE.md.
#pragma once
#include <functional>
#include <string>
#include <thread>

namespace tillrace {

// Names the calling thread; at most 15 bytes (pthread_setname_np(3)).
void name_this_thread(const std::string& name);

// Lets threads that are not told so go first where there is too little for all (nice(2), 10); also
// those that the calling one starts from now on.
void put_this_thread_behind();

// The destructor asks it to stop and joins. `body` must return soon after its stop_token says so.
std::jthread named_thread(std::string name, std::function<void(std::stop_token)> body);

}  // namespace tillrace
