#include "app/front.h"

int main(int argc, char** argv) {
  return pillarbox::app::run(argc, argv);
}
