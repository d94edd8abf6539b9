# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""loader.py --num-workers N --batch-size N --side N: load square images, which the training takes slowly."""

import argparse
import time

import torch
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
for name in ("--num-workers", "--batch-size", "--side"):
    parser.add_argument(name, type=int)
args = parser.parse_args()


class Images(Dataset):
    def __len__(self) -> int:
        return args.batch_size * 10

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.ones(3, args.side, args.side)


for _batch in DataLoader(Images(), batch_size=args.batch_size, num_workers=args.num_workers):
    # as long as the workers need to have all batches ready that they may
    time.sleep(1)
print("it is done")
