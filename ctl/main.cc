#include "ctl/cli.h"

int main(int argc, char** argv) {
    return shift::ctl::run_cli(argc, argv);
}
