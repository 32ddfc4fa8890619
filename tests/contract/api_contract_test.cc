// One contract for the shift API and for everything that stands in for it: the simulation's API
// (the model behind a Network in which nothing goes wrong), the integration tests' (the model
// behind HTTP), and the real shift-api, a process.

#include <gtest/gtest.h>

#include "common/http.h"
#include "tests/contract/api_contract.h"
#include "tests/integration/support/child_process.h"
#include "tests/integration/support/fake_api.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/supervisor_process.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"
#include "tests/sim/host.h"
#include "tests/sim/network.h"

namespace shift::testing {
namespace {

ContractApi over_http(const std::string& base) {
    return [base](const std::string& method, const std::string& path, const Json& body) {
        const auto answer = http_call(method, join_url(base, path), body, HttpOptions{});
        if (!answer.ok()) {
            return ContractAnswer{0, answer.error().message, true};
        }
        auto parsed = parse_json(answer->body);
        return ContractAnswer{static_cast<int>(answer->status),
                              parsed.ok() ? std::move(*parsed) : Json(), true};
    };
}

std::string failures(const ContractApi& api) {
    std::string text;
    for (const ContractCase& test : api_contract()) {
        if (const std::string found = run_contract_case(test, api); !found.empty()) {
            text += test.name + ": " + found + "\n";
        }
    }
    return text;
}

TEST(ApiContract, TheRealShiftApi) {
    const TempDir dir;
    const int port = free_port();
    spit(dir / "shift-api.yaml",
         "listen: 127.0.0.1\nport: " + std::to_string(port) + "\nstore: " + (dir / "store.db") +
             "\nparallel_limit: 100\nscheduler_interval: 3600\nclusters:\n  - name: main\n"
             "    rw_host: db\n    port: 3306\n",
         0600);
    ChildProcess process;
    SpawnOptions options;
    options.argv = {program("shift-api"), "--config", dir / "shift-api.yaml"};
    options.output = dir / "log";
    process.start(options);
    const std::string base = "http://127.0.0.1:" + std::to_string(port);
    ASSERT_TRUE(poll_until([&] {
        const auto answer = http_call("GET", base + "/_status", Json(), HttpOptions{});
        return answer.ok() && answer->status == 200;
    })) << tail_file(dir / "log", 20);
    EXPECT_EQ(failures(over_http(base + "/api/v1/")), "");
    process.terminate();
}

TEST(ApiContract, TheIntegrationTestsApi) {
    FakeApi api;
    api.model().pin_at_unstage();
    EXPECT_EQ(failures(over_http(api.url())), "");
}

// The simulation's supervisors see it as ApiAnswers, which keep the bodies of 200 and 404 alone.
TEST(ApiContract, TheSimulationsApi) {
    sim::World world(1, {});
    world.api.pin_at_unstage();
    sim::Host host(world, "host1", Config{});
    sim::Network network(world, host);
    EXPECT_EQ(failures([&](const std::string& method, const std::string& path, const Json& body) {
                  const ApiAnswer answer = network.serve({method, path, body});
                  return ContractAnswer{answer.status, answer.body, answer.is_json};
              }),
              "");
}

// A contract that nobody can break holds nothing.
TEST(ApiContract, ADifferenceIsSeen) {
    FakeApi api;  // as the original: a repeated claim is answered by {}
    EXPECT_NE(failures(over_http(api.url())).find("ARepeatOfTheSameClaim"), std::string::npos);
}

}  // namespace
}  // namespace shift::testing
