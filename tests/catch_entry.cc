// The main of every test program. A program with a main of its own does not take this one out of the library.
namespace kv {
int run_catch(int argc, char** argv);
}

int main(int argc, char** argv) { return kv::run_catch(argc, argv); }
