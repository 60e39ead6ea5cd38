#include "experiments/cli.h"

int main(int argc, char** argv) { return palinode::experiments::run_command_line(argc, argv); }
